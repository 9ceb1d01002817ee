"""From `delay.<tier>` back to `deliver.<destination>`, never early.

A tier's topic holds records of one wait, so the head of each partition is the next due (but for
jitter, which a batch is sorted by). One batch per partition is in hand, whatever waits behind it:
memory does not grow with the number of delayed records, and partitions and tiers wait on their own.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams import headers, metrics, retry
from streams.dispatch import Tasks, until_done
from streams.flight import Batch, Record
from streams.headers import Tracking
from streams.letters import Letters
from streams.producer import Outgoing
from streams.retry import Policy, Wait
from streams.settle import Settler, Stray
from streams.topics import Names

#: The wall clock is looked at again after this, in seconds: it may have been set meanwhile.
LONGEST_NAP_S = 1.0
#: At most this many records are released together.
RELEASE = 100


@dataclass(frozen=True, slots=True)
class Delayed:
    """A record of the batch: which one, what we know of it and when it is due (epoch ms)."""

    index: int
    record: Record
    tracking: Tracking | None
    due_ms: int
    fault: str = ""


@dataclass
class Delay:
    """Releases the batches of every delay topic."""

    letters: Letters
    settler: Settler
    names: Names
    policy: Policy
    draining: Callable[[], asyncio.Event]  #: set while partitions are given back
    clock: Callable[[], float] = time.time
    tasks: Tasks = field(default_factory=Tasks)

    async def begin(self, batch: Batch) -> None:
        """Start waiting; the window of one batch per partition bounds what is in hand."""
        self.tasks.spawn(self._hold(batch))

    async def _hold(self, batch: Batch) -> None:
        delayed = (_delayed(index, record) for index, record in enumerate(batch.records))
        waiting = sorted(delayed, key=lambda one: one.due_ms)
        while waiting and await self._wait_until(waiting[0].due_ms, batch):
            now_ms = int(self.clock() * 1000)
            due = [one for one in waiting[:RELEASE] if one.due_ms <= now_ms]
            waiting = waiting[len(due) :]
            batch.begin(len(due))
            await until_done("delay", batch, functools.partial(self._release, due, now_ms))
            for one in due:
                batch.done(one.index)

    async def _wait_until(self, due_ms: int, batch: Batch) -> bool:
        """Sleep until the wall clock says so; False when the batch is given back first."""
        while not batch.halted and (left_s := due_ms / 1000 - self.clock()) > 0:
            try:
                async with asyncio.timeout(min(left_s, LONGEST_NAP_S)):
                    await self.draining().wait()
            except TimeoutError:
                continue
        return not batch.halted

    async def _release(self, due: Sequence[Delayed], now_ms: int) -> None:
        strays = [Stray(delayed.record, delayed.fault) for delayed in due if delayed.tracking is None]
        await self.settler.settle(strays)
        await self.letters.send([self._onward(delayed, now_ms) for delayed in due if delayed.tracking])

    def _onward(self, delayed: Delayed, now_ms: int) -> Outgoing:
        """Back to the deliver topic, or through a tier once more when its time has not come."""
        record, tracking = delayed.record, delayed.tracking
        assert tracking is not None
        metrics.LATENESS.labels(tracking.tier or "none").observe(max(0, now_ms - delayed.due_ms) / 1000)
        step = retry.release(self.policy, tracking, now_ms)
        if isinstance(step, Wait):
            topic = self.names.delay(step.tier.name)
        else:
            topic = self.names.deliver(tracking.destination)
        return Outgoing(
            topic, record.value, record.key, headers.write(step.tracking, headers.own(record.headers))
        )


def _delayed(index: int, record: Record) -> Delayed:
    try:
        tracking = headers.read(record.headers)
    except headers.Malformed as fault:
        return Delayed(index, record, None, 0, str(fault))
    return Delayed(index, record, tracking, tracking.due_ms or 0)
