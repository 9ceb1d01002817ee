"""What waits for one partition, in order, and what of it goes there at a time: see `streams.express`.

Of a partition one batch is under way at a time, so what comes meanwhile waits for an answer. Batches that
wait become one, unless they are large: of one event each, a partition took no more events than a broker gives
answers, 100 a second where one takes 10 ms.
"""

import asyncio
from collections import deque

from streams import clock
from streams.packing import Packed, pack

#: Batches are put together as long as they have at most so many bytes, before compression.
MOST_TOGETHER = 64 * 1024
LAST_SEQUENCE = 2**31 - 1

#: Batches of one request that were put together -> what became of them. Five topics mostly wait for the same.
Together = dict[tuple[int, ...], Packed]


class Errand:
    """What a sender waits for."""

    __slots__ = ("future", "left", "returned")

    def __init__(self, left: int, future: "asyncio.Future[None]") -> None:
        self.left = left
        self.returned: list[Copy] = []
        self.future = future

    def ended(self) -> None:
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(None)


class Copy:
    """A packed batch for one partition."""

    __slots__ = ("errand", "packed", "partition", "since", "topic")

    def __init__(self, topic: str, partition: int, packed: Packed, errand: Errand) -> None:
        self.topic, self.partition = topic, partition
        self.packed = packed
        self.errand = errand
        self.since = clock.steady()


class Load:
    """Copies that go together: written as one batch, with one number, or none of them."""

    __slots__ = ("copies", "doubtful", "number", "packed")

    def __init__(self, copies: list[Copy], packed: Packed, number: tuple[int, int, int]) -> None:
        self.copies, self.packed = copies, packed
        #: The producer's id and epoch, and the first record's sequence number: the same at each attempt.
        self.number = number
        self.doubtful = False  #: it may be written already; then nothing else may ever have its number


class Line:
    """The batches for one partition, of which the first may be under way, alone or with others."""

    __slots__ = ("copies", "identity", "load", "partition", "rest_s", "sequence", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.copies: deque[Copy] = deque()  #: those that wait
        self.load: Load | None = None  #: what was sent, and is not known to be written
        self.identity: tuple[int, int] | None = None
        self.sequence = 0  #: of the next record that this identity writes here
        self.rest_s = 0.0  #: before what waits longest was tried the last time, if it was before

    @property
    def waits(self) -> bool:
        """Whether there is something to be sent."""
        return self.load is not None or bool(self.copies)

    @property
    def first(self) -> Copy:
        """What waits longest."""
        return self.copies[0] if self.load is None else self.load.copies[0]

    @property
    def size(self) -> int:
        """Bytes of what it sends next, about: put together, batches become smaller."""
        if self.load is not None:
            return len(self.load.packed.data)
        return sum([len(copy.packed.data) for copy in self._next()])

    def data(self, identity: tuple[int, int], together: Together) -> bytes:
        """The next batch as it goes over the wire; until it is written or returned the same each time."""
        load = self.load
        if load is None:
            if self.identity != identity:
                self.identity, self.sequence = identity, 0
            copies = self._next()
            packed = _together(copies, together)
            for _ in copies:  # only now: what can't be packed waits on
                self.copies.popleft()
            load = self.load = Load(copies, packed, (identity[0], identity[1], self.sequence))
        producer_id, epoch, sequence = load.number
        return load.packed.signed(producer_id, epoch, sequence)

    def _next(self) -> list[Copy]:
        """The first of those that wait, and what of the others goes with it."""
        found: list[Copy] = []
        size = 0
        for copy in self.copies:
            size += copy.packed.size
            if found and size > MOST_TOGETHER:
                break
            found.append(copy)
        return found

    def written(self) -> None:
        """What was sent is."""
        load, self.load, self.rest_s = self.load, None, 0.0
        assert load is not None
        after = self.sequence + len(load.packed.contents)
        self.sequence = after if after <= LAST_SEQUENCE else after - LAST_SEQUENCE - 1
        for copy in load.copies:
            copy.errand.ended()

    def give_back(self) -> list[Copy]:
        """What was sent is not written this way; or what waits longest, if nothing was. Returns it."""
        load, self.load, self.rest_s = self.load, None, 0.0
        copies = [self.copies.popleft()] if load is None else load.copies
        for copy in copies:
            copy.errand.returned.append(copy)
            copy.errand.ended()
        return copies


def _together(copies: list[Copy], known: Together) -> Packed:
    """One batch of all of these."""
    if len(copies) == 1:
        return copies[0].packed
    same = tuple([id(copy.packed) for copy in copies])
    found = known.get(same)
    if found is None:
        contents = [content for copy in copies for content in copy.packed.contents]
        [found] = pack(contents, int(clock.now() * 1000))
        known[same] = found
    return found
