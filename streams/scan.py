"""Reading a stretch of a topic: everything between two sets of offsets, without joining a group."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import methodcaller
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.flight import Partition, Record
from streams.settings import Settings

#: Gives up when the broker answers nothing for this long.
TIMEOUT_S = 30.0
#: And at the very beginning, when nobody is there at all.
ANSWER_S = 10.0

#: What a broker says of topics that were made a moment ago, or while a leader changes.
PASSING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,  # a new leader that does not know yet that it is one
        KafkaError.OFFSET_NOT_AVAILABLE,
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
#: Instead of a time, in Kafka's own question for offsets by time: the end, and the beginning.
LATEST, EARLIEST = -1, -2


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


def dismiss(client: Consumer) -> threading.Thread:
    """Close it on a thread of its own: one that stands still may never be closed."""
    closing = threading.Thread(target=client.close, name="close a reader", daemon=True)
    closing.start()
    return closing


def record_of(message: Message) -> Record:
    """A record as we have it, of what confluent-kafka gives."""
    return Record(
        message.topic(), message.partition(), message.offset(), message.timestamp()[1],
        message.key(), message.value(), _headers(message),
    )  # fmt: skip


def _headers(message: Message) -> Sequence[tuple[str, bytes | None]]:
    """A record's headers; none of them where a name is not UTF-8 (confluent-kafka then breaks off)."""
    try:
        return call_headers(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()


class Topics(NamedTuple):
    """What there is on a cluster."""

    cluster: str
    there: Mapping[str, Sequence[int]]  #: the partitions of each topic

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Every partition of these topics; a topic that does not exist has none."""
        return [Partition(topic, number) for topic in topics for number in self.there.get(topic, ())]

    def beginning_with(self, *prefixes: str) -> list[Partition]:
        return self.partitions(topic for topic in self.there if topic.startswith(prefixes))


class Scanner:
    """Looks up offsets and reads stretches; `config` is the connection, `group` whose commits are meant."""

    def __init__(self, config: Mapping[str, Any], group: str) -> None:
        self._config = {**config, "log_level": 0}  # what is wrong is raised
        self._group = group
        self._begin()

    def _begin(self) -> None:
        own = {
            "group.id": self._group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
        self._admin: AdminClient | None = None
        self._consumer = Consumer(self._config | own)

    def renew(self) -> None:
        """Go on with new clients: those that got no answer may never get one (`streams.lookout`)."""
        dismiss(self._consumer)
        self._begin()

    def topics(self) -> "Topics":
        """What there is, asked once."""
        known = self._consumer.list_topics(timeout=ANSWER_S)
        return Topics(
            known.cluster_id, {name: list(topic.partitions) for name, topic in known.topics.items()}
        )

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """Every partition of these topics; a topic that does not exist has none."""
        return self.topics().partitions(topics)

    def identities(self, topics: Sequence[str]) -> dict[str, str]:
        """The id that the cluster gave to each of these topics when it was made; missing ones are left out.

        A topic that was deleted and made again has another.
        """
        if self._admin is None:
            self._admin = AdminClient(self._config)
        found = {}
        asked = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
        for name, answer in asked.items():
            try:
                found[name] = str(answer.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return found

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The group's committed offsets; the start of the partition where there is none."""
        wanted = [TopicPartition(*tp) for tp in partitions]
        if not wanted:
            return {}
        answer = patiently(lambda: self._consumer.committed(wanted, timeout=TIMEOUT_S))
        found = {Partition(tp.topic, tp.partition): tp.offset for tp in answer}
        starts = self.starts([tp for tp, offset in found.items() if offset < 0])
        return found | starts

    def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return self._listed(partitions, EARLIEST)

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return self._listed(partitions, LATEST)

    def at_time(self, partitions: Iterable[Partition], ms: int) -> dict[Partition, int]:
        """The first offsets at or after a time; the end where there is nothing later."""
        found = self._listed(partitions, max(0, ms))
        return found | self.ends([tp for tp, offset in found.items() if offset < 0])

    def _listed(self, partitions: Iterable[Partition], ms: int) -> dict[Partition, int]:
        """One question to each broker for all its partitions: with hundreds it is 100 times as fast."""
        wanted = [TopicPartition(*tp, ms) for tp in partitions]
        if not wanted:
            return {}

        def ask() -> dict[Partition, int]:
            found = self._consumer.offsets_for_times(wanted, timeout=TIMEOUT_S)
            for tp in found:
                if tp.error:
                    raise KafkaException(tp.error)
            return {Partition(tp.topic, tp.partition): tp.offset for tp in found}

        return patiently(ask)

    def read(self, starts: Offsets, ends: Offsets) -> Iterator[list[Record]]:
        """Every record from `starts` up to, not including, `ends`; in lists, each partition in order.

        Raises:
            KafkaException: the broker refuses, or answers nothing for TIMEOUT_S.
        """
        for messages in self.messages(starts, ends):
            yield [record_of(message) for message in messages]

    def messages(self, starts: Offsets, ends: Offsets) -> Iterator[list[Message]]:
        """As `read`, but the client's own: whoever needs a part of each does not pay for the rest."""
        lows = self.starts(ends)
        # What retention has removed can't be read, and would be waited for.
        open_ends = {tp: end for tp, end in ends.items() if end > max(starts.get(tp, 0), lows[tp])}
        if not open_ends:
            return
        self._consumer.assign([TopicPartition(*tp, max(starts.get(tp, 0), lows[tp])) for tp in open_ends])
        while open_ends:
            yield list(self._within(open_ends))
        self._consumer.unassign()

    def _within(self, open_ends: dict[Partition, int]) -> Iterator[Message]:
        """Some records in front of these ends; an end that was reached is taken out."""
        for message in self._some():
            tp = Partition(message.topic(), message.partition())
            end = open_ends.get(tp)
            if error := message.error():
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                # The last offsets may hold a transaction's marker, and no record. An end in front of the one
                # that was looked up is a new leader's, which does not know it yet: what is missing will come.
                if end is not None and message.offset() >= end:
                    del open_ends[tp]
            elif end is not None:
                if message.offset() < end:
                    yield message
                if message.offset() >= end - 1:
                    del open_ends[tp]

    def _some(self) -> list[Message]:
        """The records that are there; waits for the first. (`consume` alone waits for the last, too.)"""
        first = self._consumer.poll(TIMEOUT_S)
        if first is None:
            raise KafkaException(f"no records from the broker for {TIMEOUT_S:g} s")
        return [first, *self._consumer.consume(5000, timeout=0)]

    def present(self, tp: Partition, offsets: Sequence[int]) -> dict[int, int]:
        """Those of these ascending offsets that hold a record, and its timestamp (epoch ms).

        Compaction and transactions leave gaps.
        """
        if not offsets:
            return {}
        wanted = set(offsets)
        found = self.messages({tp: offsets[0]}, {tp: offsets[-1] + 1})
        return {m.offset(): m.timestamp()[1] for some in found for m in some if m.offset() in wanted}

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def scanner(settings: Settings) -> Iterator[Scanner]:
    """A scanner of what these settings name."""
    scan = Scanner(settings.kafka.confluent("distributary-scan"), settings.kafka.group)
    try:
        yield scan
    finally:
        scan.close()
