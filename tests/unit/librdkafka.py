"""A consumer of librdkafka's, by script: what is written to it is consumed, once."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

Where = tuple[str, int]


class Message:
    """A record, or an error, as confluent-kafka gives it."""

    def __init__(
        self, tp: Where, offset: int, *, value: bytes | None = b"{}", headers: Any = (), error: Any = None
    ) -> None:
        self._tp, self._offset, self._value, self._headers, self._error = tp, offset, value, headers, error

    def topic(self) -> str:
        return self._tp[0]

    def partition(self) -> int:
        return self._tp[1]

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000

    def key(self) -> bytes | None:
        return b"k"

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Any:
        if isinstance(self._headers, Exception):
            raise self._headers
        return self._headers

    def error(self) -> Any:
        return self._error


class Librdkafka:
    """As librdkafka does: a paused partition gives nothing, and is still paused when it is assigned again."""

    made: list["Librdkafka"] = []  # noqa: RUF012 - emptied for each test
    committed_offsets: dict[Where, int] = {}  # noqa: RUF012
    answers: list[Exception] = []  # noqa: RUF012 - to a question for what is committed

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.assigned: dict[Where, int] = {}
        self.paused: set[Where] = set()
        self.calls: list[tuple[str, list[Where]]] = []  #: of pause and resume
        self.arrived: list[Message] = []
        self.closed = False
        self.ends: dict[Where, int] = {}  #: of what was fetched from
        self.made.append(self)

    @classmethod
    def begin(cls) -> None:
        """As it is before a test."""
        cls.made, cls.committed_offsets, cls.answers = [], {}, []

    def arrive(self, *messages: Message) -> None:
        self.arrived += messages

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.assigned = {(tp.topic, tp.partition): tp.offset for tp in partitions}

    def unassign(self) -> None:
        assert not self.closed
        self.assigned = {}

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        where = [(tp.topic, tp.partition) for tp in partitions]
        self.calls.append(("pause", where))
        self.paused |= set(where)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        where = [(tp.topic, tp.partition) for tp in partitions]
        self.calls.append(("resume", where))
        self.paused -= set(where)

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        assert not timeout, "the event loop may not wait here"
        there = [one for one in self.arrived if (one.topic(), one.partition()) not in self.paused]
        found = there[:num_messages]
        self.arrived = [one for one in self.arrived if one not in found]
        return found

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self.answers:
            raise self.answers.pop(0)
        none = OFFSET_BEGINNING
        return [
            TopicPartition(tp.topic, tp.partition, self.committed_offsets.get((tp.topic, tp.partition), none))
            for tp in partitions
        ]

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int] | None:
        assert cached, "the event loop may not wait here"
        where = partition.topic, partition.partition
        if where not in self.assigned:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
        return 0, self.ends.get(where, -1001)

    def close(self) -> None:
        self.closed = True


def records(tp: Where, *offsets: int, value: bytes = b"{}", headers: Any = ()) -> list[Message]:
    return [Message(tp, offset, value=value, headers=headers) for offset in offsets]


def failure(code: int, tp: Where = ("t", 0)) -> Message:
    return Message(tp, 0, error=KafkaError(code))
