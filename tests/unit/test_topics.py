"""The topics: what there should be, and what is done about what there is."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigEntry, NewTopic, TopicMetadata

from streams import settings, topics
from streams.topics import Names, State, Status, Topic

FILE = """
inbound: {topic: events}
destinations:
  - {name: crm-hook, connector: webhook, settings: {url: "https://crm.example.com/hook"}}
  - {name: archive, connector: webhook, settings: {url: "https://archive.example.com/hook"}}
retry: {tiers: [2s, 1m], plan: [2s, 1m]}
"""
DAY_MS = 86_400_000
DLQ = Topic("d.dlq", "the dead", 8, -1, {"retention.ms": "1000", "cleanup.policy": "delete"})
ROUTED = Topic("d.routed", "the routed", 8, -1, {"max.message.bytes": "5000", "retention.bytes": "-1"})
INBOUND = Topic("events", "theirs", 8, -1, {})


def planned(more: str = "") -> list[Topic]:
    return topics.plan(settings.parse(FILE + more, env={}))


class Brokers:
    """Answers as an AdminClient does, from memory."""

    def __init__(
        self,
        there: Mapping[str, tuple[int, Mapping[str, str]]] | None = None,
        *,
        refuse: Mapping[str, int] | None = None,
        secretive: bool = False,
        down: bool = False,
    ) -> None:
        self.there = dict(there or {})
        self.refuse = dict(refuse or {})
        self.secretive = secretive
        self.down = down
        self.created: list[NewTopic] = []

    def list_topics(self, timeout: float) -> ClusterMetadata:
        if self.down:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "Failed to get metadata"))
        metadata = ClusterMetadata()
        for name, (partitions, _) in self.there.items():
            topic = metadata.topics[name] = TopicMetadata()
            topic.partitions = cast(Any, dict.fromkeys(range(partitions)))
        return metadata

    def describe_configs(self, resources: Sequence[Any], request_timeout: float) -> dict[Any, "Future[Any]"]:
        refusal = KafkaError.TOPIC_AUTHORIZATION_FAILED if self.secretive else None
        return {one: answered(_entries(self.there[one.name][1]), refusal) for one in resources}

    def create_topics(
        self, new: Sequence[NewTopic], operation_timeout: float, request_timeout: float
    ) -> dict[str, "Future[None]"]:
        self.created += new
        return {one.topic: answered(None, self.refuse.get(one.topic)) for one in new}


def _entries(config: Mapping[str, str]) -> dict[str, ConfigEntry]:
    return {name: ConfigEntry(name, value) for name, value in config.items()}


def answered(value: Any, refusal: int | None) -> "Future[Any]":
    answer: Future[Any] = Future()
    if refusal is None:
        answer.set_result(value)
    else:
        answer.set_exception(KafkaException(KafkaError(refusal)))
    return answer


def described(brokers: Brokers, *wanted: Topic) -> list[State]:
    return topics.describe(cast(AdminClient, brokers), wanted)


def created(brokers: Brokers, *wanted: Topic) -> list[State]:
    return topics.create(cast(AdminClient, brokers), wanted)


# What there should be


def test_the_topics_are_those_of_the_settings_in_the_order_of_an_events_life() -> None:
    assert [topic.name for topic in planned()] == [
        "events",
        "distributary.deliver.crm-hook",
        "distributary.deliver.archive",
        "distributary.delay.2s",
        "distributary.delay.1m",
        "distributary.dlq",
        "distributary.attempts",
        "distributary.routed",
    ]


def test_the_prefix_is_that_of_the_settings_and_not_on_the_inbound_topic() -> None:
    names = [topic.name for topic in planned("kafka: {prefix: test-7.}\n")]

    assert names[0] == "events"
    assert all(name.startswith("test-7.") for name in names[1:])


def test_every_topic_of_ours_is_deleted_by_the_age_we_give_it_and_by_nothing_else() -> None:
    _, *ours = planned()

    for topic in ours:
        assert topic.config["cleanup.policy"] == "delete"
        assert topic.config["retention.bytes"] == "-1"
        assert topic.config["message.timestamp.type"] == "LogAppendTime"
        assert topic.config["compression.type"] == "producer"
        assert topic.config["max.message.bytes"] == str(2 * 1024 * 1024)


def test_each_kind_of_topic_has_its_retention() -> None:
    more = "kafka: {retention: {deliver: 2d, delay: 3d, dlq: 4d, attempts: 5d, routed: 6d}}\n"
    days = {topic.name: int(topic.config["retention.ms"]) / DAY_MS for topic in planned(more)[1:]}

    assert list(days.values()) == [2, 2, 3, 3, 4, 5, 6]


def test_partitions_copies_and_record_size_are_those_of_the_settings() -> None:
    plan = planned("kafka: {partitions: 3, replication_factor: 2, max_record_bytes: 200000}\n")

    assert {(topic.partitions, topic.replication_factor) for topic in plan} == {(3, 2)}
    assert {topic.config.get("max.message.bytes") for topic in plan[1:]} == {"200000"}


def test_the_inbound_topic_is_left_to_its_owners() -> None:
    assert planned()[0].config == {}


def test_every_topic_says_what_it_is_for() -> None:
    purposes = [topic.purpose for topic in planned()]

    assert len(set(purposes)) == len(purposes)
    assert "events on their way to crm-hook" in purposes
    assert "events waiting 2s to be tried again" in purposes


def test_names_are_those_of_the_plan() -> None:
    names = Names.of(settings.parse(FILE, env={}))

    ours = [*names.all_deliver, *names.all_delay, names.dlq, names.attempts, names.routed]
    assert ours == [topic.name for topic in planned()[1:]]
    assert names.tiers == {"distributary.delay.2s": "2s", "distributary.delay.1m": "1m"}


# What there is


def test_a_topic_as_planned_has_no_differences() -> None:
    there = {DLQ.name: (8, DLQ.config)}

    assert described(Brokers(there), DLQ, ROUTED) == [
        State(DLQ, Status.EXISTS, 8),
        State(ROUTED, Status.MISSING),
    ]


@pytest.mark.parametrize(
    ("topic", "partitions", "config", "differences"),
    [
        (DLQ, 4, {}, ("partitions: 4, planned 8",)),
        (DLQ, 16, {}, ()),
        (DLQ, 8, {"retention.ms": "999"}, ("retention.ms: 999ms, planned 1s",)),
        (DLQ, 8, {"retention.ms": "1001"}, ()),
        (DLQ, 8, {"retention.ms": "-1"}, ()),
        (DLQ, 8, {"cleanup.policy": "compact"}, ("cleanup.policy: compact, planned delete",)),
        (DLQ, 8, {"unclean.leader.election.enable": "true"}, ()),
        (ROUTED, 8, {"max.message.bytes": "4999"}, ("max.message.bytes: 4999, planned 5000",)),
        (ROUTED, 8, {"max.message.bytes": "9999"}, ()),
        (ROUTED, 8, {"retention.bytes": "1000000"}, ("retention.bytes: 1000000, planned -1",)),
        # theirs: never judged
        (INBOUND, 1, {"cleanup.policy": "compact", "retention.ms": "1"}, ()),
    ],
)
def test_what_falls_short_of_the_plan_is_reported(
    topic: Topic, partitions: int, config: dict[str, str], differences: tuple[str, ...]
) -> None:
    there = {topic.name: (partitions, {**topic.config, **config})}

    assert described(Brokers(there), topic) == [State(topic, Status.EXISTS, partitions, differences)]


def test_a_configuration_that_may_not_be_read_is_a_difference_and_no_failure() -> None:
    (state,) = described(Brokers({DLQ.name: (8, {})}, secretive=True), DLQ)

    assert state.status is Status.EXISTS
    assert state.differences[0].startswith("its configuration can't be read: TOPIC_AUTHORIZATION_FAILED: ")


def test_brokers_that_do_not_answer_are_a_failure_of_every_topic() -> None:
    for ask in (described, created):
        states = ask(Brokers(down=True), DLQ, ROUTED)

        assert [(state.status, state.reason) for state in states] == [
            (Status.FAILED, "_TRANSPORT: Failed to get metadata")
        ] * 2


# What is done about it


def test_what_is_missing_is_created_as_planned() -> None:
    brokers = Brokers({ROUTED.name: (8, ROUTED.config)})

    states = created(brokers, INBOUND, DLQ, ROUTED)

    assert [(state.topic, state.status, state.partitions) for state in states] == [
        (INBOUND, Status.CREATED, 8),
        (DLQ, Status.CREATED, 8),
        (ROUTED, Status.EXISTS, 8),
    ]
    assert [one.topic for one in brokers.created] == ["events", "d.dlq"]
    dlq = brokers.created[1]
    assert (dlq.num_partitions, dlq.replication_factor, dlq.config) == (8, -1, DLQ.config)


def test_what_is_there_is_left_alone_whatever_the_differences() -> None:
    brokers = Brokers({DLQ.name: (1, {**DLQ.config, "retention.ms": "1"})})

    (state,) = created(brokers, DLQ)

    assert brokers.created == []
    assert state.status is Status.EXISTS
    assert len(state.differences) == 2


def test_a_topic_that_another_worker_created_meanwhile_exists() -> None:
    (state,) = created(Brokers(refuse={DLQ.name: KafkaError.TOPIC_ALREADY_EXISTS}), DLQ)

    assert state.status is Status.EXISTS


def test_a_refusal_is_reported_for_its_topic_alone() -> None:
    states = created(Brokers(refuse={DLQ.name: KafkaError.INVALID_REPLICATION_FACTOR}), DLQ, ROUTED)

    assert [state.status for state in states] == [Status.FAILED, Status.CREATED]
    assert (states[0].reason or "").startswith("INVALID_REPLICATION_FACTOR: ")


def test_the_client_is_asked_in_a_way_it_understands() -> None:
    """The fake above takes what we send; does the real one?"""
    admin = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "error_cb": lambda error: None})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topics, "TIMEOUT_S", 0.2)
        (state,) = topics.create(admin, [DLQ])

    assert state.status is Status.FAILED
    assert state.reason
