"""What of a partition is in hand: fetched batches, what of them is finished, and how far one may commit.

Stock Faust keeps a list of acknowledged offsets per partition and commits the first run of consecutive
numbers it finds there, whatever lies below it: with more than one record in hand it commits past
unfinished ones (three ways, each a test in tests/unit/test_flight.py). Here the batches of a partition
stand in a queue in offset order, each knows which of its records are finished, and only the finished
prefix counts. A gap in the offsets (compaction, transaction markers) needs no bookkeeping at all.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from streams.standing import ALWAYS, Standing


class Record:
    """A Kafka record as it was read."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset
        self.timestamp = timestamp  #: epoch ms
        self.key, self.value, self.headers = key, value, headers


class Partition(NamedTuple):
    """A topic's partition; equal to Faust's TP and aiokafka's TopicPartition."""

    topic: str
    partition: int


class Window(NamedTuple):
    """How much of a partition may be in hand: so many batches, and more while they hold fewer records."""

    batches: int
    records: int = 0

    def full(self, batches: int, records: int) -> bool:
        return batches >= self.batches and records >= self.records


class Batch:
    """The records of one fetch from one partition, in offset order, each finished on its own."""

    __slots__ = (
        "_finished", "_life", "_standing", "begun", "completed", "halted", "prefix", "progress_at", "records",
        "tp",
    )  # fmt: skip

    def __init__(self, tp: Partition, records: Sequence[Record], standing: Standing = ALWAYS) -> None:
        self.tp = tp
        self.records = records
        self.begun = 0  #: records handed to somebody; they are begun in offset order
        self.prefix = 0  #: records finished from the left without a hole
        self.progress_at = time.monotonic()  #: when it was fetched, or a record of it last finished
        self.halted = False  #: the partition is being given back: begin nothing more
        self.completed: Callable[[], None] | None = None  #: called when the last record is finished
        self._finished = bytearray(len(records))
        self._standing, self._life = standing, standing.life

    @property
    def certain(self) -> bool:
        """Whether it is held, as far as can be told without waiting. False says nothing: ask `held`."""
        return self._standing.life == self._life and self._standing.sure

    async def held(self) -> bool:
        """Whether what becomes of its records may be written; while nobody can tell whose they are, wait.

        False: we were expelled from the group since it was fetched, and its new owner does it all.
        """
        return await self._standing.known(self._life)

    async def free(self) -> bool:
        """Whether more of its records may be begun: it is held, and not being given back."""
        return await self._standing.known(self._life, lambda: self.halted) and not self.halted

    def begin(self, count: int = 1) -> None:
        """Say that the next `count` records are being worked on: a drain waits for them."""
        self.begun += count

    def done(self, index: int, count: int = 1) -> None:
        """Say that the outcome of some records in a row is durable; saying it twice is harmless."""
        if count == 1:
            self._finished[index] = 1
        else:
            self._finished[index : index + count] = b"\x01" * count
        self.progress_at = time.monotonic()
        if index == self.prefix:
            hole = self._finished.find(0, index)
            self.prefix = len(self.records) if hole < 0 else hole
            if self.complete and self.completed is not None:
                self.completed()

    def done_all(self) -> None:
        """Say that the outcome of every record is durable."""
        self._finished = bytearray(b"\x01") * len(self.records)
        self.prefix = len(self.records)
        if self.completed is not None:
            self.completed()

    @property
    def in_flight(self) -> int:
        """Records begun and not finished."""
        return self.begun - self._finished.count(1)

    @property
    def complete(self) -> bool:
        return self.prefix == len(self.records)

    @property
    def next_offset(self) -> int | None:
        """The offset to go on from: one past the finished prefix; None when nothing is finished."""
        return self.records[self.prefix - 1].offset + 1 if self.prefix else None


class Flight:
    """The batches of one partition that are fetched and not yet finished, oldest first."""

    def __init__(self, landed: Callable[[], None] = lambda: None) -> None:
        self.batches: deque[Batch] = deque()
        self.records = 0  #: of all of these
        self.committed: int | None = None  #: the offset last committed by us
        self._reached: int | None = None  #: the offset that could be committed
        self._landed = landed  #: called when there are fewer batches

    def __len__(self) -> int:
        return len(self.batches)

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.records += len(batch.records)
        batch.completed = self._land

    def _land(self) -> None:
        """Let go of the batches that are complete, from the left."""
        before = len(self.batches)
        while self.batches and self.batches[0].complete:
            landed = self.batches.popleft()
            self.records -= len(landed.records)
            self._reached = landed.next_offset
        if len(self.batches) < before:
            self._landed()

    def committable(self) -> int | None:
        """The offset to commit now; None when there is nothing new."""
        if self.batches and (head := self.batches[0].next_offset) is not None:
            self._reached = head
        if self._reached is None or self._reached == self.committed:
            return None
        return self._reached

    @property
    def in_flight(self) -> int:
        return sum(batch.in_flight for batch in self.batches)

    @property
    def progress_at(self) -> float:
        """When the oldest batch in hand last got further, on the monotonic clock."""
        return self.batches[0].progress_at if self.batches else time.monotonic()

    def halt(self) -> None:
        """Begin nothing more from this partition."""
        for batch in self.batches:
            batch.halted = True


class Flights:
    """The flights of every partition in hand, and which of them may have no more."""

    def __init__(
        self, window: Callable[[str], Window], freed: Callable[[Partition], None] = lambda tp: None
    ) -> None:
        self._window = window  #: of the partitions of a topic
        self._freed = freed  #: called with a partition that is no longer full
        self._flights: dict[Partition, Flight] = {}
        #: Kept up to date batch by batch: asking thousands of partitions at every fetch took milliseconds.
        self.full: set[Partition] = set()

    def add(self, batch: Batch) -> None:
        """A batch was fetched; the caller has seen that its partition is not full."""
        tp, full = batch.tp, self.full
        flight = self._flights.get(tp)
        if flight is None:
            flight = self._flights[tp] = Flight(functools.partial(self._landed, tp, full))
        flight.add(batch)
        if self._window(tp.topic).full(len(flight), flight.records):
            full.add(tp)

    def _landed(self, tp: Partition, full: set[Partition]) -> None:
        if tp in full and full is self.full:  # else of a flight that was forgotten
            flight = self._flights[tp]
            if not self._window(tp.topic).full(len(flight), flight.records):
                full.discard(tp)
                self._freed(tp)

    def of(self, tp: Partition) -> Sequence[Batch]:
        """The batches of this partition, oldest first."""
        return tuple(self._flights[tp].batches) if tp in self._flights else ()

    def committable(self) -> dict[Partition, int]:
        """What may be committed now, per partition."""
        found = {tp: flight.committable() for tp, flight in self._flights.items()}
        return {tp: offset for tp, offset in found.items() if offset is not None}

    def committed(self, offsets: dict[Partition, int]) -> None:
        for tp, offset in offsets.items():
            if tp in self._flights:
                self._flights[tp].committed = offset

    def halt(self) -> None:
        for flight in self._flights.values():
            flight.halt()

    def forget(self) -> None:
        """Drop everything: the partitions are no longer ours, or are read again from what is committed."""
        self.halt()
        self._flights.clear()
        self.full = set()

    @property
    def in_flight(self) -> int:
        return sum(flight.in_flight for flight in self._flights.values())

    def __iter__(self) -> Iterator[tuple[Partition, Flight]]:
        return iter(list(self._flights.items()))
