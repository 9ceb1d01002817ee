"""What of a partition is in hand: fetched batches, what of them is finished, and how far one may commit.

Stock Faust keeps a list of acknowledged offsets per partition and commits the first run of consecutive
numbers it finds there, whatever lies below it: with more than one record in hand it commits past
unfinished ones (three ways, each a test in tests/unit/test_flight.py). Here the batches of a partition
stand in a queue in offset order, each knows which of its records are finished, and only the finished
prefix counts. A gap in the offsets (compaction, transaction markers) needs no bookkeeping at all.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


class Record(Protocol):
    """One fetched Kafka record: aiokafka's ConsumerRecord, or what a scan read."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Epoch ms."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Partition(NamedTuple):
    """A topic's partition; equal to Faust's TP and aiokafka's TopicPartition."""

    topic: str
    partition: int


class Batch:
    """The records of one fetch from one partition, in offset order, each finished on its own."""

    __slots__ = ("_finished", "begun", "halted", "prefix", "progress_at", "records", "tp")

    def __init__(self, tp: Partition, records: Sequence[Record]) -> None:
        self.tp = tp
        self.records = records
        self.begun = 0  #: records handed to somebody; they are begun in offset order
        self.prefix = 0  #: records finished from the left without a hole
        self.progress_at = time.monotonic()  #: when it was fetched, or a record of it last finished
        self.halted = False  #: the partition is being given back: begin nothing more
        self._finished = bytearray(len(records))

    def begin(self, count: int = 1) -> None:
        """Say that the next `count` records are being worked on: a drain waits for them."""
        self.begun += count

    def done(self, index: int) -> None:
        """Say that the outcome of one record is durable; saying it twice is harmless."""
        self._finished[index] = 1
        self.progress_at = time.monotonic()
        if index == self.prefix:
            hole = self._finished.find(0, index)
            self.prefix = len(self.records) if hole < 0 else hole

    def done_all(self) -> None:
        """Say that the outcome of every record is durable."""
        self._finished = bytearray(b"\x01") * len(self.records)
        self.prefix = len(self.records)

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

    def __init__(self) -> None:
        self.batches: deque[Batch] = deque()
        self.committed: int | None = None  #: the offset last committed by us
        self._reached: int | None = None  #: the offset that could be committed

    def __len__(self) -> int:
        return len(self.batches)

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)

    def land(self) -> None:
        """Let go of the batches that are complete, from the left."""
        while self.batches and self.batches[0].complete:
            self._reached = self.batches.popleft().next_offset

    def committable(self) -> int | None:
        """The offset to commit now; None when there is nothing new."""
        self.land()
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
    """The flights of every partition in hand."""

    def __init__(self) -> None:
        self._flights: dict[Partition, Flight] = {}

    def of(self, tp: Partition) -> Flight:
        flight = self._flights.get(tp)
        if flight is None:
            flight = self._flights[tp] = Flight()
        return flight

    def room(self, tp: Partition, window: int) -> bool:
        """Whether another batch of this partition may be fetched."""
        flight = self._flights.get(tp)
        if flight is None:
            return True
        flight.land()
        return len(flight) < window

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

    @property
    def in_flight(self) -> int:
        return sum(flight.in_flight for flight in self._flights.values())

    def __iter__(self) -> Iterator[tuple[Partition, Flight]]:
        return iter(list(self._flights.items()))
