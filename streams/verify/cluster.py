"""The Kafka of a scenario: how workers connect to it, the topics they get there, and that nothing stays."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams import commands, topics
from streams.demo.broker import LocalKafka
from streams.settings import Settings
from streams.verify.cast import Port, Role
from streams.verify.processes import Destination
from streams.verify.proxy import Proxy

#: Waits that a person can wait for; the code is that of minutes and hours. The budget outlasts every fault,
#: so that no outage of ours decides an event's fate.
RETRY = {
    "tiers": ["300ms", "600ms", "1200ms"],
    "plan": ["300ms", "300ms", "600ms", "1200ms"],
    "budget": "30m",
    "jitter": 0.15,
}
TIMEOUT_S = 1.0
WORKER = {"host": "127.0.0.1", "port": 0, "drain": "5s", "session_timeout": "6s", "commit_interval": "200ms"}
KAFKA = {"partitions": 4, "max_record_bytes": 100_000}
GONE_WITHIN_S = 15.0  #: what was deleted is named no longer after it


class Way(StrEnum):
    """How workers may come to a local broker, besides straight."""

    #: Through a proxy of the scenario, which can lose, cut and slow down what passes.
    PROXIED = "proxied"
    #: By TLS and as a user, whose rights and quotas can be changed.
    USER = "user"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where to connect to, in the words of a config file, and the brokers that are ours to stop and kill."""

    connection: Mapping[str, Any]
    brokers: tuple[LocalKafka, ...] = ()
    ways: Mapping[Way, Mapping[str, Any]] = field(default_factory=dict)  #: how workers connect instead
    network: Proxy | None = None  #: what is between workers and our only broker, if they come that way

    @property
    def local(self) -> LocalKafka:
        """Our only broker; only scenarios for a local Kafka may ask."""
        [broker] = self.brokers
        return broker

    def revive(self) -> None:
        """Start our brokers again, if a scenario has left one of them stopped."""
        for broker in self.brokers:
            if broker.pid is None:
                broker.start()
        if self.network is not None:
            self.network.heal()

    def end(self) -> None:
        """Stop everything that is ours, at once: what it held is of no use."""
        for broker in self.brokers:
            broker.kill()
        if self.network is not None:
            self.network.close()

    def through(self, way: Way, config: Path, port: int = 0) -> Path:
        """The config of a worker that comes another way, with a web port or none; else as in `config`."""
        there = yaml.safe_load(config.read_text())
        there["kafka"] |= self.ways[way]
        there["worker"]["port"] = port
        path = config.with_name(f"{way}-{port}.yaml")
        path.write_text(yaml.safe_dump(there, sort_keys=False))
        return path

    def write(self, folder: Path, prefix: str, roles: Sequence[Role], there: Destination) -> Path:
        """Write the config of a scenario's workers."""
        kafka = {**self.connection, **KAFKA, "prefix": prefix, "group": f"{prefix}workers"}
        config = {
            "inbound": {"topic": f"{prefix}events"},
            "kafka": kafka,
            "worker": WORKER,
            "retry": RETRY,
            "destinations": [_destination(role, there) for role in roles],
        }
        path = folder / "distributary.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path


def _destination(role: Role, there: Destination) -> dict[str, Any]:
    trusted = {"ca_file": str(there.ca_file)} if role.port is Port.TLS else {}
    return {
        "name": role.name,
        "connector": "webhook",
        "settings": {"url": f"{there.url(role.port)}/{role.name}"},
        "when": {"types": list(role.types)},
        "limits": {"in_flight": role.in_flight, "timeout_s": TIMEOUT_S},
        "network": {"allow_private": True, **trusted},
    }


def asks(settings: Settings) -> AdminClient:
    """A client for questions; after a broker was away a new one. With librdkafka 2.16 an old one may list and
    change topics, and never again have an answer about a group: it goes on asking the coordinator that is
    gone."""
    return AdminClient({**settings.kafka.confluent("distributary-verify"), "log_level": 0})


@contextmanager
def topics_of(settings: Settings) -> Iterator[AdminClient]:
    """The topics of a scenario, for as long as the block runs; then they and the group are deleted."""
    admin = asks(settings)
    planned = [topic.name for topic in topics.plan(settings)]
    try:
        states = commands.topics_of(settings, create=True)
        if failed := [state for state in states if state.status is not topics.Status.CREATED]:
            raise commands.Unusable("\n".join(f"topic {one.topic.name}: {one.reason}" for one in failed))
        yield admin
    finally:
        _delete(settings, planned)


def _delete(settings: Settings, planned: Sequence[str]) -> None:
    """Again and again for the group: a worker that was killed is a member until its session ends."""
    deadline = time.monotonic() + 20
    while not _group_deleted(settings) and time.monotonic() < deadline:
        time.sleep(0.5)
    admin = asks(settings)  # kept: with its client a question would die unanswered
    with contextlib.suppress(KafkaException):
        for done in admin.delete_topics(list(planned), operation_timeout=15, request_timeout=20).values():
            with contextlib.suppress(KafkaException):
                done.result()


def _group_deleted(settings: Settings) -> bool:
    admin, group = asks(settings), settings.kafka.group
    try:
        admin.delete_consumer_groups([group], request_timeout=10)[group].result()
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
    return True


def left_behind(settings: Settings) -> list[str]:
    """Topics and group of a scenario that are still there.

    Asked until there is none or `GONE_WITHIN_S` are over: the controller says that a topic is deleted when it
    has written so, and a busy broker names it until it has read what was written.
    """
    admin, deadline = asks(settings), time.monotonic() + GONE_WITHIN_S
    while (left := _named(admin, settings.kafka.prefix)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def _named(admin: AdminClient, prefix: str) -> list[str]:
    there = [name for name in admin.list_topics(timeout=15).topics if name.startswith(prefix)]
    groups = admin.list_consumer_groups(request_timeout=15).result().valid
    return there + [f"group {one.group_id}" for one in groups if one.group_id.startswith(prefix)]


def members(admin: AdminClient, group: str) -> int:
    """How many workers share the partitions; 0 during a rebalance. Raises KafkaException: nobody answers."""
    described = admin.describe_consumer_groups([group], request_timeout=5)[group].result()
    return len(described.members) if described.state == ConsumerGroupState.STABLE else 0
