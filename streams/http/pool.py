"""The connections to one address: made when needed, kept for the next request while they are fresh.

Where many requests begin at once most of them need no connection of their own: the first ones have their
answer before the last one is connected. So a few connect, and who comes then takes what is let go of first.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter

from streams.http import faults
from streams.http.addresses import Address
from streams.http.connection import Connection
from streams.http.faults import Fault

#: Idle connections are closed by us before the far end does it: Node.js and uvicorn do after 5 s. A
#: request that meets the far end's close on its way is an ambiguous failure.
IDLE_S = 4.0
#: The least time between two looks whether a request is past its deadline. One timer, for the first deadline
#: there is: a timer for each would cost more, for hardly any is ever due. A request ends at the second look
#: that finds it due, a new connection after as much more time: the loop has then read what came while it was
#: held up itself. (uvloop runs the timers that are due before it reads.)
WATCH_S = 0.01
#: Of requests that run out of time together (a far end that is mute has as many as it has slots) a share at
#: each look, at least one, and whatever is late by LATEST_S. All at once, of a few such ends, they kept a
#: worker from all else for a tenth of a second and more.
SHARE, LATEST_S = 50, 0.5
#: So many connections are made at once.
FEW = 4
#: The share of its time that a request waits for one that is let go of. Then it connects whatever others do:
#: a destination that is slow with its answers has as many connections as requests a little later.
PATIENCE = 0.1


@dataclass(frozen=True, slots=True)
class Style:
    """What is the same for all connections of a client."""

    trust: ssl.SSLContext
    connect_timeout_s: float
    body_limit: int
    #: Idle connections kept for each address.
    most_idle: int


@dataclass
class Pool:
    """Connections to one port of one address, for one name."""

    address: Address
    port: int
    #: Whom the certificate must name; None: no TLS.
    server_name: str | None
    style: Style
    _idle: deque[Connection] = field(default_factory=deque)
    _all: set[Connection] = field(default_factory=set)
    _connecting: int = 0
    #: Who waits for a connection, or (None) for the turn to make one.
    _waiting: deque[asyncio.Future[Connection | None]] = field(default_factory=deque)
    #: Whether connections can be had, and are let go of after a request: else nobody waits for one.
    _reusable: bool = True
    _retired: bool = False
    _closed: bool = False
    _sweep: asyncio.TimerHandle | None = None
    _watch: asyncio.TimerHandle | None = None
    _watch_at: float = float("inf")  #: on the monotonic clock
    _looked_at: float = 0.0

    def take(self) -> Connection | None:
        """The connection that was used last, if it is still good."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                if time.monotonic() - connection.idle_since < IDLE_S:
                    return connection
                connection.close()
        return None

    async def obtain(self, deadline: float) -> Connection | Fault:
        """One that somebody lets go of or a new one, before the deadline (monotonic)."""
        if self._reusable and self._connecting >= FEW:
            freed = await self._turn((deadline - time.monotonic()) * PATIENCE)
            if freed is not None and freed.usable:
                return freed
        self._connecting += 1
        try:
            end = await self._connect(deadline)
        except BaseException:  # cancelled
            self._wake(None)
            raise
        finally:
            self._connecting -= 1
        if isinstance(end, Fault):
            self._wake_all()
        return end

    async def _turn(self, within_s: float) -> Connection | None:
        """One that was let go of; None: it is our turn to make one, or nothing has come in that time."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(max(0.0, within_s), _give_up, waiter)  # a third of what asyncio.timeout costs
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it is another's now
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def _pass_on(self, freed: Connection | None) -> None:
        if freed is None:
            self._wake(None)
        elif freed.usable:
            self.released(freed)

    def _wake(self, freed: Connection | None) -> bool:
        """Give who waits longest a connection, or the turn to make one; says whether anybody waited."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(freed)
                return True
        return False

    def _wake_all(self) -> None:
        """Waiting is of no use here: everybody for himself."""
        self._reusable = False
        while self._wake(None):
            pass

    async def _connect(self, deadline: float) -> Connection | Fault:
        """A new connection, TLS included, before the deadline and the timeout of connecting."""
        within = min(self.style.connect_timeout_s, deadline - time.monotonic())
        trust = self.style.trust if self.server_name is not None else None
        try:
            async with asyncio.timeout(None) as limit:
                with _ends_within(limit, within):
                    _, connection = await asyncio.get_running_loop().create_connection(
                        lambda: Connection(self.style.body_limit, self),
                        str(self.address), self.port, ssl=trust, server_hostname=self.server_name,
                    )  # fmt: skip
        except TimeoutError:
            return faults.UNCONNECTED
        except (OSError, ValueError) as error:  # a ValueError dislikes the name
            return faults.of_connect(error)
        if self._closed:
            connection.close()
            return faults.CLOSED
        self._all.add(connection)
        return connection

    def retire(self) -> None:
        """Close what is idle, and the others when they have their answer, of those that wait as well."""
        self._retired = True
        self._wake_all()
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close everything; requests under way are given up."""
        self._closed = True
        self.retire()
        for connection in list(self._all):
            connection.close()

    def asked(self, connection: Connection) -> None:
        """Look after its deadline when it has come."""
        if connection.deadline < self._watch_at:
            self._watch_until(connection.deadline)

    def _watch_until(self, deadline: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch_at = deadline
        wait = max(WATCH_S, deadline - time.monotonic())
        self._watch = asyncio.get_running_loop().call_later(wait, self._expire)

    def _expire(self) -> None:
        self._watch, self._watch_at = None, float("inf")
        now, before = time.monotonic(), self._looked_at
        self._looked_at = now
        due = sorted([one for one in self._all if one.deadline <= before], key=attrgetter("deadline"))
        late = sum([one.deadline <= now - LATEST_S for one in due])
        share = max(late, -(-len(due) // SHARE))
        for connection in due[:share]:
            connection.expire()
        first = min((one.deadline for one in self._all), default=float("inf"))
        if first < float("inf"):
            self._watch_until(first)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._all.discard(connection)
        if not connection.idle_since:  # closed by its first request: the next one will be, too
            self._wake_all()
        else:
            self._wake(None)  # to have one in its stead

    def released(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        if self._retired or len(self._idle) >= self.style.most_idle:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._reusable = True
        if self._wake(connection):
            return
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_S, self._close_stale)

    def _close_stale(self) -> None:
        """Close what was idle for too long; the oldest are on the left."""
        self._sweep = None
        stale = time.monotonic() - IDLE_S
        while self._idle and (self._idle[0].closed or self._idle[0].idle_since <= stale):
            self._idle.popleft().close()
        if self._idle:
            wait = max(self._idle[0].idle_since - stale, 0.01)
            self._sweep = asyncio.get_running_loop().call_later(wait, self._close_stale)


@contextmanager
def _ends_within(limit: asyncio.Timeout, seconds: float) -> Iterator[None]:
    """End `limit` after so long; but what the loop has yet to read at that moment still counts."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(max(0.0, seconds), lambda: limit.reschedule(loop.time() + WATCH_S))
    try:
        yield
    finally:
        timer.cancel()


def _give_up(waiter: "asyncio.Future[Connection | None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
