"""A reader that brings nothing of what there is, is replaced.

librdkafka (2.16) can stop for good, with neither an error nor a line in the log, when a broker shuts down
(docs/decisions.md, "A client that stands still"). The worker would be a member of the group for ever, with
partitions that nobody reads. So it is asked every few seconds, through aiokafka, where the partitions end of
which nothing lies here. If there was something already when it was asked before, and it is still to come
although librdkafka had nothing more for us, nor knows that it is there, it is not going to come.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from streams.backlog import Place

log = logging.getLogger(__name__)

#: How often it is looked, seconds, and how long the brokers may take to answer.
LOOK_S, ANSWER_S = 10.0, 5.0
#: What was there at one look is to come before the next, and librdkafka to have nothing more after this share
#: of the time between them.
FETCHED = 0.5
#: Partitions that are asked about at once, at two looks in a row; then it is the turn of as many others.
#: aiokafka works in Python for each, and thousands would hold up the event loop.
MOST_ASKED = 500
#: A partition for which a new reader brings nothing either is waited for twice as many looks, up to so many.
MOST_LOOKS = 360


class Reader(Protocol):
    """As `streams.inflow` is one."""

    all_taken_at: float

    @property
    def starving(self) -> tuple[int, dict[Place, int]]: ...

    def seen_end(self, place: Place) -> int: ...

    def renew(self) -> None: ...


class Bounds(Protocol):
    """Who knows where partitions end, and reads nothing."""

    async def ends(self, places: Collection[Place]) -> Mapping[Place, int]:
        """The offset after the last record, of those that have a leader."""


class Wait:
    """For what is at an offset of a partition; the partition had this end when it began."""

    __slots__ = ("end", "looks", "most", "offset")

    def __init__(self, offset: int, end: int) -> None:
        self.offset, self.end = offset, end
        self.looks = 0  #: at which it was there, and had not come
        self.most = 1  #: so many are borne


class Lookout:
    """Looks after the reader of one worker; made and used on the event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._assignment = 0
        self._waits: dict[Place, Wait] = {}
        self._looked_at = 0.0
        self._looks = 0

    async def look(self, reader: Reader) -> None:
        """Replace the reader if it stands still. Who can't be asked now is asked at the next look."""
        assignment, starving = reader.starving
        if assignment != self._assignment or not starving:
            self._assignment, self._waits = assignment, {}
        before, self._looked_at = self._looked_at, asyncio.get_running_loop().time()
        fetched = reader.all_taken_at > before + FETCHED * (self._looked_at - before)
        try:
            async with asyncio.timeout(ANSWER_S):
                overdue = await self._overdue(starving) if starving and fetched else {}
        except Exception as error:
            log.debug("reader.unseen error=%s", type(error).__name__)
            self._waits = {}  # what was there then may come now
            return
        now, starving = reader.starving
        late = {
            place: wait
            for place, wait in overdue.items()
            # It may have come meanwhile; or be known to hold no record, as a transaction's marker does not.
            if now == assignment and starving.get(place) == wait.offset and reader.seen_end(place) < wait.end
        }
        for (topic, partition), wait in late.items():
            log.warning("reader.renewed topic=%s partition=%d offset=%d end=%d: nothing came",
                        topic, partition, wait.offset, wait.end)  # fmt: skip
            wait.looks, wait.most = 0, min(2 * wait.most, MOST_LOOKS)
        if late:
            reader.renew()

    async def _overdue(self, starving: Mapping[Place, int]) -> Mapping[Place, Wait]:
        """Those for which it was waited long enough."""
        asked = self._turn(list(starving))
        ends = await self._bounds.ends(asked)
        late = {}
        for place in asked:
            offset, wait = starving[place], self._waits.pop(place, None)
            if ends.get(place, 0) <= max(offset, 0):
                continue  # all of it has come
            if wait is None or wait.offset != offset:
                wait = Wait(offset, ends[place])
            self._waits[place] = wait
            wait.looks += 1
            if wait.looks > wait.most:
                late[place] = wait
        return late

    def _turn(self, places: Sequence[Place]) -> Sequence[Place]:
        """Those that are asked about at this look."""
        turns = -(-len(places) // MOST_ASKED)
        turn, self._looks = self._looks // 2 % turns, self._looks + 1
        return places[turn::turns]
