"""What a local broker is told: the settings of one node, its ways in, and its part in a cluster."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.demo import ports

#: A node that is everything. Small internal topics and no waiting: it serves one machine.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # After a kill -9 the controller refuses the new broker until the old one's session has ended:
    # with the default of 9 s a restart takes 12 s, with 3 s it takes 5 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # An entry of an index is a write to a page of a sparse, mapped file. The first one of each index, of
    # thousands of partitions at once, holds up all threads: produce requests take 60 ms instead of 2.
    "log.index.interval.bytes": str(1 << 20),
    "log.cleaner.dedupe.buffer.size": str(8 << 20),  # the default of 128 MiB is a quarter of our heap
}

#: A small young generation: its collections stop the broker for 6 ms each, with the default one for 18-30.
JVM = ("-XX:+UseSerialGC", "-Xmn24m", "-XX:+ExitOnOutOfMemoryError")
#: The JVM's first compiler only. Measured on two cores, format and start together: 5.8 s as the JVM comes,
#: 2.8 s with this and JVM. A broker that works for minutes is faster with both compilers.
SOON = ("-XX:TieredStopAtLevel=1",)

LOGGING = """\
status = off
appender.file.type = File
appender.file.name = file
appender.file.fileName = {folder}/kafka.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


@dataclass(frozen=True, slots=True)
class Listener:
    """A way in besides the plain one."""

    name: str  #: in capitals: Kafka matches settings by it
    port: int
    protocol: str = "PLAINTEXT"
    #: Where clients that came this way are sent on to: a proxy's port, or by default this one.
    advertised: int | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{ports.LOOPBACK}:{self.advertised or self.port}"


@dataclass(frozen=True, slots=True)
class Node:
    """A broker's part in a cluster; alone it is all of it."""

    id: int
    controller_port: int
    cluster: str  #: the cluster's id, the same for all of its nodes
    voters: str = ""  #: `1@127.0.0.1:9093,2@...`; only itself by default

    @property
    def quorum(self) -> str:
        return self.voters or self.voter

    @property
    def voter(self) -> str:
        return f"{self.id}@{ports.LOOPBACK}:{self.controller_port}"


def properties(
    folder: Path, port: int, node: Node, listeners: Sequence[Listener], overrides: Mapping[str, str]
) -> dict[str, str]:
    """Everything in `server.properties`."""
    plain = Listener("PLAINTEXT", port)
    ways = [plain, *listeners]
    inside = f"CONTROLLER://{ports.LOOPBACK}:{node.controller_port}"
    protocols = ",".join(f"{one.name}:{one.protocol}" for one in ways)
    own = {
        "node.id": str(node.id),
        "controller.quorum.voters": node.quorum,
        "listeners": ",".join([*(f"{one.name}://{ports.LOOPBACK}:{one.port}" for one in ways), inside]),
        "advertised.listeners": ",".join(f"{one.name}://{one.bootstrap_servers}" for one in ways),
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{protocols}",
        "inter.broker.listener.name": plain.name,
        "log.dirs": str(folder / "data"),
    }
    return {**SETTINGS, **own, **overrides}


def cluster_id() -> str:
    """A random id in Kafka's writing: 16 bytes in URL-safe base64, not beginning like an option."""
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
