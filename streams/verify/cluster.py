"""The Kafka of a verification: whose it is, the topics it gets there, and that nothing of them stays."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams import commands, topics
from streams.config import configfile
from streams.config.kafka import Connection
from streams.demo.broker import KafkaUnavailable, LocalKafka
from streams.settings import Settings, load
from streams.verify.cast import Role

#: Waits that a person can wait for; the code is that of minutes and hours. The budget outlasts every fault,
#: so that no outage of ours decides an event's fate.
RETRY = {
    "tiers": ["300ms", "600ms", "1200ms"],
    "plan": ["300ms", "300ms", "600ms", "1200ms"],
    "budget": "30m",
    "jitter": 0.15,
}
TIMEOUT_S = 1.0
LIMITS = {"in_flight": 20, "timeout_s": TIMEOUT_S}
WORKER = {"host": "127.0.0.1", "port": 0, "drain": "5s", "session_timeout": "6s", "commit_interval": "200ms"}
KAFKA = {"partitions": 4, "max_record_bytes": 100_000}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where to connect to, in the words of a config file; `local` if it is ours to stop and kill."""

    connection: Mapping[str, Any]
    local: LocalKafka | None = None

    def revive(self) -> None:
        """Start our broker again, if a scenario that failed has left it stopped."""
        if self.local is not None and self.local.pid is None:
            self.local.start()

    def write(self, folder: Path, prefix: str, roles: Sequence[Role], url: str) -> Path:
        """Write the config of a scenario's workers."""
        kafka = {**self.connection, **KAFKA, "prefix": prefix, "group": f"{prefix}workers"}
        config = {
            "inbound": {"topic": f"{prefix}events"},
            "kafka": kafka,
            "worker": WORKER,
            "retry": RETRY,
            "destinations": [_destination(role, url) for role in roles],
        }
        path = folder / "distributary.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path


def _destination(role: Role, url: str) -> dict[str, Any]:
    return {
        "name": role.name,
        "connector": "webhook",
        "settings": {"url": f"{url}/{role.name}"},
        "when": {"types": list(role.types)},
        "limits": LIMITS,
        "network": {"allow_private": True},
    }


@contextmanager
def found(config: Path | None, folder: Path) -> Iterator[Cluster]:
    """The Kafka of this config file, of the environment, or else a local one that ends with the block.

    References to secrets are copied as they stand: what they refer to is written nowhere.
    """
    given = _connection(config) if config else {}
    if given.get("bootstrap_servers") or os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield Cluster(given)
        return
    kafka = LocalKafka(folder / "kafka", heap_mb=384)
    try:
        kafka.start()
    except KafkaUnavailable as missing:
        raise commands.Unusable(str(missing)) from None
    try:
        yield Cluster({"bootstrap_servers": kafka.bootstrap_servers, "replication_factor": 1}, kafka)
    finally:
        kafka.stop()


def _connection(config: Path) -> dict[str, Any]:
    load(config)  # says what is wrong with it, line by line
    section = (yaml.safe_load(configfile.read(config)) or {}).get("kafka") or {}
    wanted = {*Connection.model_fields, "replication_factor"}
    return {name: value for name, value in section.items() if name in wanted}


@contextmanager
def topics_of(settings: Settings) -> Iterator[AdminClient]:
    """The topics of a scenario, for as long as the block runs; then they and the group are deleted."""
    admin = AdminClient({**settings.kafka.confluent("distributary-verify"), "log_level": 0})
    planned = [topic.name for topic in topics.plan(settings)]
    try:
        states = commands.topics_of(settings, create=True)
        if failed := [state for state in states if state.status is not topics.Status.CREATED]:
            raise commands.Unusable("\n".join(f"topic {one.topic.name}: {one.reason}" for one in failed))
        yield admin
    finally:
        _delete(admin, planned, settings.kafka.group)


def _delete(admin: AdminClient, planned: Sequence[str], group: str) -> None:
    """Twice for the group: a worker that was killed is a member until its session ends."""
    deadline = time.monotonic() + 20
    while not _group_deleted(admin, group) and time.monotonic() < deadline:
        time.sleep(0.5)
    with contextlib.suppress(KafkaException):
        for done in admin.delete_topics(list(planned), operation_timeout=15, request_timeout=20).values():
            with contextlib.suppress(KafkaException):
                done.result()


def _group_deleted(admin: AdminClient, group: str) -> bool:
    try:
        admin.delete_consumer_groups([group], request_timeout=10)[group].result()
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
    return True


def left_behind(admin: AdminClient, settings: Settings) -> list[str]:
    """Topics and group of a scenario that are still there."""
    prefix = settings.kafka.prefix
    there = [name for name in admin.list_topics(timeout=15).topics if name.startswith(prefix)]
    groups = admin.list_consumer_groups(request_timeout=15).result().valid
    return there + [f"group {one.group_id}" for one in groups if one.group_id.startswith(prefix)]


def members(admin: AdminClient, group: str) -> int:
    """How many workers share the partitions; 0 during a rebalance, and when nobody answers."""
    try:
        described = admin.describe_consumer_groups([group], request_timeout=5)[group].result()
    except KafkaException:
        return 0
    return len(described.members) if described.state == ConsumerGroupState.STABLE else 0
