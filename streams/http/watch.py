"""Ends the requests that are past their deadline."""

import asyncio
import time
from operator import attrgetter

from streams.http.connection import Connection

#: The least time between two looks whether a request is past its deadline. One timer, for the first deadline
#: there is: a timer for each would cost more, for hardly any is ever due. A request ends at the second look
#: that finds it due: the loop has then read what came while it was held up itself. (uvloop runs the timers
#: that are due before it reads.)
WATCH_S = 0.01
#: Of requests that run out of time together (a far end that is mute has as many as it has slots) a share at
#: each look, at least one, and whatever is late by LATEST_S. All at once, of a few such ends, they kept a
#: worker from all else for a tenth of a second and more.
SHARE, LATEST_S = 50, 0.5


class Watch:
    """Looks after the deadlines of these connections."""

    def __init__(self, connections: set[Connection]) -> None:
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")  #: on the monotonic clock
        self._looked_at = 0.0

    def until(self, deadline: float) -> None:
        """Look after this deadline (monotonic) has come."""
        if deadline >= self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = deadline
        wait = max(WATCH_S, deadline - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    def _look(self) -> None:
        self._timer, self._at = None, float("inf")
        now, before = time.monotonic(), self._looked_at
        self._looked_at = now
        due = sorted([one for one in self._connections if one.deadline <= before], key=attrgetter("deadline"))
        late = sum([one.deadline <= now - LATEST_S for one in due])
        share = max(late, -(-len(due) // SHARE))
        for connection in due[:share]:
            connection.expire()
        self.until(min((one.deadline for one in self._connections), default=float("inf")))
