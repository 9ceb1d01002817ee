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

from streams.http import faults
from streams.http.addresses import Address
from streams.http.connection import Connection
from streams.http.faults import Fault
from streams.http.waiting import Waiting
from streams.http.watch import Watch

#: Idle connections are closed by us before the far end does it: Node.js and uvicorn do after 5 s. A
#: request that meets the far end's close on its way is an ambiguous failure.
IDLE_S = 4.0
#: So many connections are made at once.
FEW = 2
#: The share of its time that a request waits for one that is let go of. Then it connects whatever others do:
#: a destination that is slow with its answers has as many connections as requests a little later.
PATIENCE = 0.1
#: Who can expect one of those in use before a new one, or within SOON_S, waits for it; but where none is let
#: go of for LULL_S and SURELY times as long as an answer takes, they may be in use for long. And every
#: ONE_IN-th connects: waiting costs something, too, and where many wait all the time a connection for each is
#: cheaper in the end.
SOON_S, LULL_S, SURELY, ONE_IN = 0.1, 0.02, 3, 32
#: How much the last answer, or connection, counts for the time that the next one is expected to take.
WEIGHT = 1 / 8
#: A connection that is made when the time for it is over counts, if the loop only has yet to see it.
GRACE_S = 0.1


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
    _waiting: Waiting = field(default_factory=Waiting)
    #: Whether connections can be had, and are let go of after a request: else nobody waits for one.
    _reusable: bool = True
    _retired: bool = False
    _closed: bool = False
    _sweep: asyncio.TimerHandle | None = None
    #: How long a connection is in use for a request, of late. No wait is short before there was an answer.
    _answer_s: float = float("inf")
    _connect_s: float = float("inf")  #: how long it takes to make one, of late
    _waited: int = 0  #: how many requests, since the last one that connected

    def __post_init__(self) -> None:
        self._watch = Watch(self._all)

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
        if self._reusable and (lull := self._patience()) > 0:
            freed = await self._turn(lull, (deadline - time.monotonic()) * PATIENCE)
            if freed is not None and freed.usable:
                return freed
            if self._closed:
                return faults.CLOSED
        self._connecting += 1
        self._waited = 0
        try:
            end = await self._connect(deadline)
        except BaseException:  # cancelled
            self._waiting.wake(None)
            raise
        finally:
            self._connecting -= 1
        if isinstance(end, Fault):
            self._wake_all()
        return end

    def _patience(self) -> float:
        """How long to wait, while none is let go of, for one or for the turn to make one, seconds."""
        if self._connecting >= FEW:
            return float("inf")
        there = len(self._all) + self._connecting
        if not there or self._waited >= ONE_IN:
            return 0.0
        expected = self._answer_s * (len(self._waiting) + 1) / there
        if expected >= max(SOON_S, self._connect_s):
            return 0.0
        return LULL_S + SURELY * (self._answer_s + (self._connect_s if self._connecting else 0.0))

    async def _turn(self, lull_s: float, within_s: float) -> Connection | None:
        """One that was let go of; None: it is our turn to make one, or nothing has come in that time."""
        self._waited += 1
        waiter = self._waiting.join(lull_s, within_s)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it is another's now
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, freed: Connection | None) -> None:
        if freed is None:
            self._waiting.wake(None)
        elif freed.usable:
            self.keep(freed)

    def _wake_all(self) -> None:
        self._reusable = False
        self._waiting.wake_all()

    async def _connect(self, deadline: float) -> Connection | Fault:
        """A new connection, TLS included, before the deadline and the timeout of connecting."""
        began = time.monotonic()
        within = min(self.style.connect_timeout_s, deadline - began)
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
        self._connect_s = _mean(self._connect_s, time.monotonic() - began)
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
        self._watch.until(connection.deadline)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._all.discard(connection)
        if not connection.idle_since:  # closed by its first request: the next one will be, too
            self._wake_all()
        else:
            self._waiting.wake(None)  # to have one in its stead

    def released(self, connection: Connection) -> None:
        """A request has had its answer, and the connection is good for the next one."""
        self._answer_s = _mean(self._answer_s, time.monotonic() - connection.asked_at)
        self.keep(connection)

    def keep(self, connection: Connection) -> None:
        """Give a connection to whoever waits, or to the next request."""
        if self._retired or len(self._idle) >= self.style.most_idle:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._reusable = True
        if self._waiting.wake(connection):
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
    timer = loop.call_later(max(0.0, seconds), lambda: limit.reschedule(loop.time() + GRACE_S))
    try:
        yield
    finally:
        timer.cancel()


def _mean(before: float, last: float) -> float:
    """Of those before, and the last one; infinite: there was none before."""
    return last if before == float("inf") else before + (last - before) * WEIGHT
