"""Outcomes are written together: those that come within a moment of each other and go to the same topics.

One record at a time, a third of what an event costs would be the writing: a coroutine, a ticket, a future and
a turn of the event loop for each. To the same topics, because a write waits for the last of its records: a
topic that takes nothing would hold up what has arrived at another destination.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streams import failpoints
from streams.dispatch import Tasks, until_done
from streams.flight import Batch
from streams.settle import Stray, Verdict

log = logging.getLogger(__name__)

#: How long an outcome waits for others; and one of a destination that takes nothing. Of these there are
#: hundreds a second: a produce request for each partition of a delay topic every 10 ms kept the broker from
#: what a healthy destination waits for.
GATHER_S, GATHER_LATE_S = 0.01, 0.1


class Ended(NamedTuple):
    """How some records of a batch ended."""

    batch: Batch
    #: Which of them, by index.
    records: range
    ends: Sequence[Verdict | Stray]


#: The topics that outcomes go to, and whether they may be late.
Alike = tuple[frozenset[str], bool]


class Gathered(NamedTuple):
    """What is to be written together."""

    ended: list[Ended]
    timer: asyncio.TimerHandle


class Settles(Protocol):
    """What writes outcomes: `streams.settle.Settler`."""

    def topics(self, ends: Sequence[Verdict | Stray]) -> frozenset[str]:
        """Where these are written."""

    async def settle(self, ends: Sequence[Verdict | Stray]) -> None:
        """Return when these are durable."""


class Settling:
    """Has outcomes written, and then says that their records are done."""

    def __init__(self, settler: Settles, tasks: Tasks) -> None:
        self._settler = settler
        self._tasks = tasks
        self._gathered: dict[Alike, Gathered] = {}

    def take(self, ended: Ended, *, late: bool = False) -> None:
        """See to these. Whatever fails, the records are done only when their outcome is durable.

        `late`: they may wait longer for others, but for a drain.
        """
        late = late and not ended.batch.halted
        alike = self._settler.topics(ended.ends), late
        gathered = self._gathered.get(alike)
        if gathered is None:
            wait_s = GATHER_LATE_S if late else GATHER_S
            timer = asyncio.get_running_loop().call_later(wait_s, self._begin, alike)
            gathered = self._gathered[alike] = Gathered([], timer)
        gathered.ended.append(ended)

    def begin_all(self) -> None:
        """Write what is gathered now."""
        for alike in list(self._gathered):
            self._begin(alike)

    def close(self) -> None:
        """Write nothing more of what is gathered."""
        for gathered in self._gathered.values():
            gathered.timer.cancel()

    def _begin(self, alike: Alike) -> None:
        ended, timer = self._gathered.pop(alike)
        timer.cancel()
        self._tasks.spawn(self._together(ended))

    async def _together(self, taken: Sequence[Ended]) -> None:
        """All at once; where that fails, or where it is not certain that they are ours, each by itself."""
        ours = [ended for ended in taken if ended.batch.certain]
        others = [ended for ended in taken if not ended.batch.certain]
        try:
            await self._settler.settle([end for ended in ours for end in ended.ends])
        except Exception:
            log.exception("settle.error outcomes=%d: again, each by itself", len(ours))
            others = list(taken)
        else:
            _done(ours)
        for ended in others:
            self._tasks.spawn(self._alone(ended))

    async def _alone(self, ended: Ended) -> None:
        await until_done("settle", ended.batch, lambda: self._settler.settle(ended.ends))
        _done([ended])


def _done(settled: Sequence[Ended]) -> None:
    if failpoints.ARMED and settled:
        failpoints.hit("after-settle")
    for batch, records, _ in settled:
        batch.done(records.start, len(records))
