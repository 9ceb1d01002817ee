"""Who waits for a connection."""

import asyncio
from collections import deque
from typing import NamedTuple

from streams.http.connection import Connection

#: A timer of uvloop's is early by as much.
TICK_S = 0.001


class Waiter(NamedTuple):
    """Somebody who waits."""

    since: float  #: by the loop's clock, as all times here
    seconds: float  #: so long after nobody is served any more, he goes
    until: float  #: and then anyway
    future: "asyncio.Future[Connection | None]"

    def goes_at(self, served_at: float) -> float:
        """When he does, if nothing comes."""
        return min(self.until, max(self.since, served_at) + self.seconds)


class Waiting:
    """First come, first served: with a connection, or (None) with the turn to make one."""

    def __init__(self) -> None:
        self._waiters: deque[Waiter] = deque()
        self._served_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")  #: when it is due

    def __len__(self) -> int:
        """How many, some of those that gave up included."""
        return len(self._waiters)

    def join(self, seconds: float, at_most: float) -> "asyncio.Future[Connection | None]":
        """What is waited for; None when nobody has been served for so long, and after `at_most` seconds.

        There is one timer: one for each would cost as much as all the rest of waiting.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiter = Waiter(now, seconds, now + at_most, loop.create_future())
        self._waiters.append(waiter)
        self._look_at(waiter.goes_at(self._served_at))
        return waiter.future

    def wake(self, freed: Connection | None) -> bool:
        """Give it to who waits longest; says whether anybody waited."""
        while self._waiters:
            future = self._waiters.popleft().future
            if not future.done():
                future.set_result(freed)
                self._served_at = asyncio.get_running_loop().time()
                return True
        return False

    def wake_all(self) -> None:
        """Waiting is of no use: everybody for himself."""
        while self.wake(None):
            pass
        self._unset()

    def _unset(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._at = None, float("inf")

    def _look_at(self, when: float) -> None:
        if when < self._at:
            self._unset()
            self._at = when
            self._timer = asyncio.get_running_loop().call_at(when, self._give_up)

    def _give_up(self) -> None:
        self._unset()
        now = asyncio.get_running_loop().time() + TICK_S
        left = deque[Waiter]()
        for waiter in self._waiters:
            if waiter.future.done():
                continue
            if waiter.goes_at(self._served_at) <= now:
                waiter.future.set_result(None)
            else:
                left.append(waiter)
        self._waiters = left
        if left:
            self._look_at(min([waiter.goes_at(self._served_at) for waiter in left]))
