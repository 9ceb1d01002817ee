"""How many requests to one destination may be under way; who waits for one first gets it first.

Few at first, and more with the answers: what begins before there is a connection for it waits for one, which
costs more than to wait for a slot. Where answers are late all of them, soon.
"""

import asyncio
from collections import deque

#: So many can be taken at first; and one more whenever so many were given back.
FIRST, ANSWERS = 2, 4
#: All can, when somebody waits and none was given back between so many looks. A look may be late, and what
#: came meanwhile is then yet to be read: one look alone says nothing.
LOOK_S, LOOKS = 0.01, 3


class Slots:
    """As asyncio.Semaphore, which costs three times as much and wakes who waits one by one."""

    __slots__ = ("_answers", "_looking", "_open", "_shut", "_waiting")

    def __init__(self, count: int, first: int = FIRST) -> None:
        self._open = min(count, first)  #: can be taken
        self._shut = count - self._open  #: can be taken later
        self._answers = 0  #: how many were given back, as long as some are shut
        self._looking = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """How many are not taken."""
        return self._open + self._shut

    def take(self) -> bool:
        """Take a slot if there is one that nobody waits for."""
        if not self._open:
            return False
        self._open -= 1
        return True

    async def wait(self) -> None:
        """Return with a slot, in the order of asking."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._shut and not self._looking:
            self._looking = True
            self._look_later(0)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back: to whoever waits longest, if anybody does."""
        if self._shut:
            self._answers += 1
            if self._answers % ANSWERS == 0:
                self._open_more(1)
        self._give()

    def _give(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._open += 1

    def _open_more(self, count: int) -> None:
        self._shut -= count
        for _ in range(count):
            self._give()

    def _look_later(self, quiet: int) -> None:
        asyncio.get_running_loop().call_later(LOOK_S, self._look, self._answers, quiet)

    def _look(self, answers: int, quiet: int) -> None:
        """Open all that are shut where waiting has brought no answer."""
        quiet = quiet + 1 if answers == self._answers else 0
        if quiet == LOOKS:
            self._open_more(self._shut)
        if self._shut and self._waiting:
            self._look_later(quiet)
        else:
            self._looking = False
