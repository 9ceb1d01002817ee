"""Every topic of the product, on one screen.

| name                    | kept | what is on it                                                             |
|-------------------------|------|---------------------------------------------------------------------------|
| the inbound topic       | -    | what producers write; theirs: created if missing, never judged            |
| `deliver.<destination>` | 7 d  | on the way to one destination                                             |
| `delay.<tier>`          | 7 d  | waiting to be tried again: one topic for each fixed delay                 |
| `dlq`                   | 14 d | ended without delivery, with the reason                                   |
| `attempts`              | 14 d | how each attempt ended; those that end together are one record            |
| `routed`                | 7 d  | which offsets route sent where, and by which rule it kept others back     |

Ours carry the prefix of the settings (`distributary.`). They are deleted by age alone, never by
size: a record that waits must not be lost because others came after it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams import durations
from streams.settings import Settings

#: How long the brokers may take to answer one question, seconds.
TIMEOUT_S = 15.0

PURPOSES = {
    "inbound": "events as producers write them",
    "deliver": "events on their way to {}",
    "delay": "events waiting {} to be tried again",
    "dlq": "events that ended without being delivered, with the reason",
    "attempts": "how each delivery attempt ended, several to a record",
    "routed": "which events went where, and which rule kept them back",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What our topics are called."""

    prefix: str = "distributary."
    destinations: tuple[str, ...] = ()
    #: Of the delay topics, shortest first.
    tier_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Names":
        destinations = tuple(destination.name for destination in settings.destinations)
        tiers = tuple(tier.name for tier in settings.retry.policy.tiers)
        return cls(settings.kafka.prefix, destinations, tiers)

    def deliver(self, destination: str) -> str:
        return f"{self.prefix}deliver.{destination}"

    def delay(self, tier: str) -> str:
        return f"{self.prefix}delay.{tier}"

    @property
    def all_deliver(self) -> list[str]:
        return [self.deliver(destination) for destination in self.destinations]

    @property
    def whose(self) -> dict[str, str]:
        """Topic -> destination of every deliver topic."""
        return {self.deliver(destination): destination for destination in self.destinations}

    @property
    def tiers(self) -> dict[str, str]:
        """Topic -> tier of every delay topic."""
        return {self.delay(tier): tier for tier in self.tier_names}

    @property
    def all_delay(self) -> list[str]:
        return list(self.tiers)

    @property
    def dlq(self) -> str:
        return f"{self.prefix}dlq"

    @property
    def attempts(self) -> str:
        return f"{self.prefix}attempts"

    @property
    def routed(self) -> str:
        return f"{self.prefix}routed"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be."""

    name: str
    purpose: str
    partitions: int
    #: -1: the brokers' default.
    replication_factor: int
    #: Kafka's own names and values; what is not in it is left to the brokers.
    config: Mapping[str, str]


class Status(StrEnum):
    """What there is of a topic."""

    #: It was missing, and was created just now.
    CREATED = "created"
    #: It was there. Nothing about it was changed, whatever the differences.
    EXISTS = "exists"
    #: It is not there.
    MISSING = "missing"
    #: It could not be created, or nobody could be asked.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class State:
    """A topic as it is."""

    topic: Topic
    status: Status
    #: None where it isn't there.
    partitions: int | None = None
    #: Where what is there falls short of the plan: `partitions: 4, planned 8`.
    differences: tuple[str, ...] = ()
    #: Why it failed, in the words of the brokers.
    reason: str | None = None


def plan(settings: Settings) -> list[Topic]:
    """Every topic these settings need, in the order in which an event passes them."""
    kafka = settings.kafka
    names, keep = Names.of(settings), kafka.retention

    def ours(name: str, purpose: str, retention_s: float) -> Topic:
        config = _config(retention_s, kafka.max_record_bytes)
        return Topic(name, purpose, kafka.partitions, kafka.replication_factor, config)

    return [
        Topic(settings.inbound.topic, PURPOSES["inbound"], kafka.partitions, kafka.replication_factor, {}),
        *(
            ours(names.deliver(name), PURPOSES["deliver"].format(name), keep.deliver)
            for name in names.destinations
        ),
        *(ours(topic, PURPOSES["delay"].format(tier), keep.delay) for topic, tier in names.tiers.items()),
        ours(names.dlq, PURPOSES["dlq"], keep.dlq),
        ours(names.attempts, PURPOSES["attempts"], keep.attempts),
        ours(names.routed, PURPOSES["routed"], keep.routed),
    ]


def _config(retention_s: float, max_record_bytes: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(round(retention_s * 1000)),
        "retention.bytes": "-1",
        "max.message.bytes": str(max_record_bytes),
        # Age must count from when we wrote a record. By the producer's clock, which may be wrong or
        # hostile, a record could be old the moment it is written, and deleted while it waits.
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
    }


def describe(admin: AdminClient, topics: Sequence[Topic]) -> list[State]:
    """What there is of these topics, in order; nothing is changed."""
    try:
        there = admin.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        return [State(topic, Status.FAILED, reason=_reason(error)) for topic in topics]
    configs = _configs(admin, [topic.name for topic in topics if topic.name in there])
    return [
        _state(topic, len(there[topic.name].partitions), configs[topic.name])
        if topic.name in there
        else State(topic, Status.MISSING)
        for topic in topics
    ]


def create(admin: AdminClient, topics: Sequence[Topic]) -> list[State]:
    """Create those that are missing, leave the others as they are; what there is then, in order."""
    states = describe(admin, topics)
    missing = [state.topic for state in states if state.status is Status.MISSING]
    if not missing:
        return states
    new = [
        NewTopic(topic.name, topic.partitions, topic.replication_factor, config=dict(topic.config))
        for topic in missing
    ]
    asked = admin.create_topics(new, operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S)
    created = {topic.name: _created(topic, asked[topic.name]) for topic in missing}
    return [created.get(state.topic.name, state) for state in states]


def _created(topic: Topic, answer: "Future[None]") -> State:
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
            return State(topic, Status.EXISTS)
        return State(topic, Status.FAILED, reason=_reason(error))
    return State(topic, Status.CREATED, topic.partitions)


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, Mapping[str, str] | str]:
    """The configuration of each topic; where it can't be read, the reason."""
    if not names:
        return {}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=TIMEOUT_S
    )
    return {resource.name: _entries(answer) for resource, answer in asked.items()}


def _entries(answer: "Future[Any]") -> Mapping[str, str] | str:
    try:
        return {name: entry.value for name, entry in answer.result().items()}
    except KafkaException as error:
        return _reason(error)


def _state(topic: Topic, partitions: int, config: Mapping[str, str] | str) -> State:
    if not topic.config:
        return State(topic, Status.EXISTS, partitions)
    found = [f"partitions: {partitions}, planned {topic.partitions}"] if partitions < topic.partitions else []
    if isinstance(config, str):
        found.append(f"its configuration can't be read: {config}")
    else:
        found += [
            f"{name}: {_readable(name, config[name])}, planned {_readable(name, planned)}"
            for name, planned in topic.config.items()
            if name in config and _falls_short(name, config[name], planned)
        ]
    return State(topic, Status.EXISTS, partitions, tuple(found))


#: More of these is no harm. Everything else must be as planned.
_MORE_IS_FINE = frozenset({"retention.ms", "max.message.bytes"})


def _falls_short(name: str, actual: str, planned: str) -> bool:
    if name in _MORE_IS_FINE:
        return actual != "-1" and int(actual) < int(planned)
    return actual != planned


def _readable(name: str, value: str) -> str:
    """Retentions as durations; -1 is for ever."""
    if name != "retention.ms":
        return value
    return "for ever" if int(value) < 0 else durations.name(int(value) / 1000)


def _reason(error: KafkaException) -> str:
    """`TOPIC_AUTHORIZATION_FAILED: Authorization failed.`"""
    fault = error.args[0]
    return f"{fault.name()}: {fault.str()}" if isinstance(fault, KafkaError) else str(fault)
