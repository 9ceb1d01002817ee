"""Who waits for a connection."""

import asyncio
from collections import deque

from streams.http.connection import Connection


class Waiting:
    """First come, first served: with a connection, or (None) with the turn to make one."""

    def __init__(self) -> None:
        self._waiters: deque[tuple[float, asyncio.Future[Connection | None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many, those included that gave up."""
        return len(self._waiters)

    def join(self, seconds: float) -> "asyncio.Future[Connection | None]":
        """What is waited for, None if nothing has come in so long.

        One timer, for who waits longest; one for each would cost as much as all the rest of waiting. So
        somebody who waits for less than those before him may wait as long as they do.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        until = loop.time() + seconds
        self._waiters.append((until, waiter))
        if self._timer is None:
            self._timer = loop.call_at(until, self._give_up)
        return waiter

    def wake(self, freed: Connection | None) -> bool:
        """Give it to who waits longest; says whether anybody waited."""
        while self._waiters:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(freed)
                return True
        return False

    def wake_all(self) -> None:
        """Waiting is of no use: everybody for himself."""
        while self.wake(None):
            pass
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        while self._waiters and self._waiters[0][0] <= loop.time():
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if self._waiters:
            self._timer = loop.call_at(self._waiters[0][0], self._give_up)
