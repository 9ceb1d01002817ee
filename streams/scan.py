"""Reading a stretch of a topic: everything between two sets of offsets, without joining a group."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import methodcaller
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.flight import Partition

#: Gives up when the broker answers nothing for this long.
TIMEOUT_S = 30.0
#: And at the very beginning, when nobody is there at all.
ANSWER_S = 10.0

#: What a broker says of topics that were made a moment ago, or while a leader changes.
PASSING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)

Offsets = Mapping[Partition, int]
#: Calls through C, which looks whether a call left an error behind; the interpreter itself may not.
call_headers = methodcaller("headers")
T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """Ask a broker, and again while its answer is one that passes."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


class Fetched(NamedTuple):
    """A record as read by a scan: the same names as a record that a worker fetched."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]

    @classmethod
    def of(cls, message: Message) -> "Fetched":
        return cls(
            message.topic(), message.partition(), message.offset(), message.timestamp()[1],
            message.key(), message.value(), _headers(message),
        )  # fmt: skip


def _headers(message: Message) -> Sequence[tuple[str, bytes | None]]:
    """A record's headers; none of them where a name is not UTF-8 (confluent-kafka then breaks off)."""
    try:
        return call_headers(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


class Scanner:
    """Looks up offsets and reads stretches; `config` is the connection, `group` whose commits are meant."""

    def __init__(self, config: Mapping[str, Any], group: str) -> None:
        self._consumer = Consumer(
            {
                **config,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "fetch.wait.max.ms": 50,
                "log_level": 0,  # what is wrong is raised
            }
        )

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Every partition of these topics; a topic that does not exist has none."""
        known = self._consumer.list_topics(timeout=ANSWER_S).topics
        return [
            Partition(topic, number)
            for topic in topics
            if topic in known
            for number in known[topic].partitions
        ]

    def named(self, prefix: str) -> list[str]:
        """The topics whose names begin so."""
        return [
            name for name in self._consumer.list_topics(timeout=TIMEOUT_S).topics if name.startswith(prefix)
        ]

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The group's committed offsets; the start of the partition where there is none."""
        wanted = [TopicPartition(*tp) for tp in partitions]
        found = patiently(lambda: self._consumer.committed(wanted, timeout=TIMEOUT_S))
        return {
            Partition(tp.topic, tp.partition): tp.offset if tp.offset >= 0 else self._watermarks(tp)[0]
            for tp in found
        }

    def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return {tp: self._watermarks(TopicPartition(*tp))[0] for tp in partitions}

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return {tp: self._watermarks(TopicPartition(*tp))[1] for tp in partitions}

    def at_time(self, partitions: Iterable[Partition], ms: int) -> dict[Partition, int]:
        """The first offsets at or after a time; the end where there is nothing later."""
        wanted = [TopicPartition(*tp, ms) for tp in partitions]
        found = patiently(lambda: self._consumer.offsets_for_times(wanted, timeout=TIMEOUT_S))
        return {
            Partition(tp.topic, tp.partition): tp.offset if tp.offset >= 0 else self._watermarks(tp)[1]
            for tp in found
        }

    def read(self, starts: Offsets, ends: Offsets) -> Iterator[list[Fetched]]:
        """Every record from `starts` up to, not including, `ends`; in lists, each partition in order.

        Raises:
            KafkaException: the broker refuses, or answers nothing for TIMEOUT_S.
        """
        lows = self.starts(ends)
        # What retention has removed can't be read, and would be waited for.
        open_ends = {tp: end for tp, end in ends.items() if end > max(starts.get(tp, 0), lows[tp])}
        if not open_ends:
            return
        self._consumer.assign([TopicPartition(*tp, max(starts.get(tp, 0), lows[tp])) for tp in open_ends])
        while open_ends:
            messages = self._some()
            if not messages:
                raise KafkaException(f"no records from the broker for {TIMEOUT_S:g} s")
            found = []
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
                tp = Partition(message.topic(), message.partition())
                end = open_ends.get(tp)
                if end is None:
                    continue
                if message.offset() < end:
                    found.append(Fetched.of(message))
                if message.offset() >= end - 1:
                    del open_ends[tp]
            yield found
        self._consumer.unassign()

    def _some(self) -> list[Message]:
        """The records that are there; waits for the first. (`consume` alone waits for the last, too.)"""
        first = self._consumer.poll(TIMEOUT_S)
        return [first, *self._consumer.consume(1000, timeout=0)] if first is not None else []

    def present(self, tp: Partition, offsets: Sequence[int]) -> list[int]:
        """Those of these ascending offsets that hold a record: compaction and transactions leave gaps."""
        if not offsets:
            return []
        wanted = set(offsets)
        found = self.read({tp: offsets[0]}, {tp: offsets[-1] + 1})
        return [record.offset for records in found for record in records if record.offset in wanted]

    def _watermarks(self, tp: TopicPartition) -> tuple[int, int]:
        low, high = patiently(lambda: self._consumer.get_watermark_offsets(tp, timeout=TIMEOUT_S))
        return low, high

    def close(self) -> None:
        self._consumer.close()
