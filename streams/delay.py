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

from streams import failpoints, headers, metrics, retry
from streams.clock import HEAR_S, TOLERANCE_S, now
from streams.dispatch import Tasks, until_done
from streams.flight import Batch, Record
from streams.headers import Death, Tracking
from streams.letters import Letters
from streams.producer import Outgoing
from streams.retry import Policy, Reason, Wait
from streams.settle import Settler, Stray
from streams.topics import Names

#: The clock is looked at again after this, in seconds: the machine may have slept, or the clock been set.
LONGEST_NAP_S = 1.0
#: At most this many records are released together.
RELEASE = 100
#: No record is held longer than so many lengths of its tier. None needs more, with all jitter; one whose
#: due time is far off (a clock was wrong when it was written) goes through a tier again, and holds up nobody.
LONGEST_HOLD = 2


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
    clock: Callable[[], float] = now
    checked: Callable[[], bool] = lambda: True  #: whether the brokers have had a word on the time
    tasks: Tasks = field(default_factory=Tasks)
    _hears_until: float | None = None  #: monotonic: how long the first release waits for that word

    async def begin(self, batch: Batch) -> None:
        """Start waiting; the window of one batch per partition bounds what is in hand."""
        self.tasks.spawn(self._hold(batch))

    async def _hold(self, batch: Batch) -> None:
        tier_ms, now_ms = self._tier_ms(batch.tp.topic), int(self.clock() * 1000)
        delayed = (_delayed(index, record, tier_ms, now_ms) for index, record in enumerate(batch.records))
        waiting = sorted(delayed, key=lambda one: one.due_ms)
        while waiting and await self._wait_until(waiting[0].due_ms, batch):
            now_ms = int(self.clock() * 1000)
            # Without a word, our clock may be wrong: the answer to the first release will tell.
            most = RELEASE if self.checked() else 1
            due = [one for one in waiting[:most] if one.due_ms <= now_ms]
            waiting = waiting[len(due) :]
            await self._let_go(due, batch)
        # The batch is given back: what others overtook must not keep back their commit, or all of them
        # would be released again. For the rest of its time it goes to a shorter tier.
        await self._let_go([one for one in waiting if one.index < batch.begun], batch)

    async def _let_go(self, leaving: Sequence[Delayed], batch: Batch) -> None:
        """Write where these go next. A drain waits for them, and for those that they overtook."""
        if leaving:
            batch.begin(max(0, max(one.index for one in leaving) + 1 - batch.begun))
            await until_done("delay", batch, functools.partial(self._release, leaving))
            for one in leaving:
                batch.done(one.index)

    def _tier_ms(self, topic: str) -> int:
        name = self.names.tiers[topic]
        return next(tier.ms for tier in self.policy.tiers if tier.name == name)

    async def _wait_until(self, due_ms: int, batch: Batch) -> bool:
        """Sleep until the clock says so; False when the batch is given back first."""
        while not batch.halted and (left_s := self._left_s(due_ms)) > 0:
            try:
                async with asyncio.timeout(min(left_s, LONGEST_NAP_S)):
                    await self.draining().wait()
            except TimeoutError:
                continue
        return await batch.free()

    def _left_s(self, due_ms: int) -> float:
        """How long it is until then; a worker that has just started waits a moment for a broker's word."""
        left_s = due_ms / 1000 - self.clock()
        if left_s > 0 or self.checked():
            return left_s
        if self._hears_until is None:
            self._hears_until = time.monotonic() + HEAR_S
        return min(0.05, self._hears_until - time.monotonic())

    async def _release(self, leaving: Sequence[Delayed]) -> None:
        now_ms = int(self.clock() * 1000)
        strays = [Stray(delayed.record, delayed.fault) for delayed in leaving if delayed.tracking is None]
        await self.settler.settle(strays)
        await self.letters.send([self._onward(delayed, now_ms) for delayed in leaving if delayed.tracking])
        if failpoints.ARMED:
            failpoints.hit("while-releasing")

    def _onward(self, delayed: Delayed, now_ms: int) -> Outgoing:
        """Back to the deliver topic, or through a tier once more when its time has not come."""
        record, tracking = delayed.record, delayed.tracking
        assert tracking is not None
        metrics.LATENESS.labels(tracking.tier or "none").observe(max(0, now_ms - delayed.due_ms) / 1000)
        if tracking.destination not in self.names.destinations:
            return self._homeless(record, tracking, now_ms)
        step = retry.release(self.policy, tracking, now_ms)
        if isinstance(step, Wait):
            return self._to(self.names.delay(step.tier.name), record, step.tracking)
        return self._to(self.names.deliver(tracking.destination), record, step.tracking)

    def _homeless(self, record: Record, tracking: Tracking, now_ms: int) -> Outgoing:
        """A destination that is not in our config: another pass through its tier; after its deadline the dlq.

        During an upgrade a worker with the newer config may have the next pass. Once it was removed, nobody
        reads its topic, and that may be gone; the dlq keeps the event for when it is back.
        """
        tier = next((tier for tier in self.policy.tiers if tier.name == tracking.tier), self.policy.tiers[0])
        if now_ms < (tracking.deadline_ms or 0):
            return self._to(self.names.delay(tier.name), record, tracking._replace(due_ms=now_ms + tier.ms))
        detail = f"no destination {tracking.destination} is configured"
        return self.letters.dead(record, Death(Reason.NO_DESTINATION, None, detail, now_ms), tracking)

    def _to(self, topic: str, record: Record, tracking: Tracking) -> Outgoing:
        known = headers.write(tracking, headers.own(record.headers))
        return Outgoing(topic, record.value, record.key, known)


def _delayed(index: int, record: Record, tier_ms: int, now_ms: int) -> Delayed:
    """When a record is due. Its stamp may be of a worker whose clock was wrong when that had just started."""
    try:
        tracking = headers.read(record.headers)
    except headers.Malformed as fault:
        return Delayed(index, record, None, 0, str(fault))
    due_ms = min(tracking.due_ms or 0, now_ms + LONGEST_HOLD * tier_ms)
    if due_ms < record.timestamp - TOLERANCE_S * 1000:  # over before the broker wrote it: it waits from then
        due_ms = min(record.timestamp, now_ms) + tier_ms
    return Delayed(index, record, tracking, due_ms)
