"""One HTTP request to a destination, and how it ended: always an Answer, never an exception.

    client = Client(timeout_s=10)                   # one per destination
    answer = await client.send(Request("POST", "https://example.com/hook", {}, b"{}"))

The way of a request: `http.urls` (where to) -> `http.hosts` (which address, judged) -> `http.pool` (on
which connection) -> `http.connection` (there and back); `http.faults` has a name for every other end.
A request is sent once. Where a pooled connection turns out to be closed before anything came back,
nobody can say whether the far end had the request: that is ECONNRESET, and ambiguous.
"""

import logging
import time
from typing import Protocol

from connectors.answers import UNKNOWN, Answer
from connectors.base import Request
from streams.http import certificates, faults, urls, wire
from streams.http.connection import Connection, Reply
from streams.http.faults import Fault
from streams.http.hosts import Hosts
from streams.http.pool import Style
from streams.http.urls import Target

log = logging.getLogger(__name__)

#: Addresses of one name that one attempt tries to connect to.
MOST_ADDRESSES = 3


class Sender(Protocol):
    """What sends requests: a Client, or what stands for one where there is no network."""

    async def send(self, request: Request) -> Answer:
        """As `Client.send`."""


class Client:
    """Sends the requests of one destination. Never makes one wait for another.

    Args:
        timeout_s: for a whole request, the lookup of the name and the reading of the answer included.
        connect_timeout_s: for a connection, TLS included.
        in_flight: so many idle connections are kept to each address.
        allow_private: whether addresses of our own network may be connected to.
        ca_file: more authorities to trust, in PEM. OSError or ValueError if it is none.
        body_limit: bytes kept of an answer's body.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10,
        connect_timeout_s: float = 5,
        in_flight: int = 50,
        allow_private: bool = False,
        ca_file: str | None = None,
        body_limit: int = 4096,
    ) -> None:
        self._timeout_s = timeout_s
        # Never as long as the whole: so a connection that is not made is told from an answer that is late.
        self._connect_timeout_s = min(connect_timeout_s, 0.9 * timeout_s)
        trust = certificates.trust(ca_file)  # what is wrong here fails now, not at the first event
        self._hosts = Hosts(Style(trust, self._connect_timeout_s, body_limit, in_flight), allow_private)
        self._closed = False

    async def send(self, request: Request) -> Answer:
        """Send one request and wait for its end: `timeout_s`, at most a tenth of a second more, half of one
        where many end so.

        Raises:
            CancelledError: the caller was cancelled. The connection is closed; what was written of the
                request may have arrived.
        """
        started = time.monotonic()
        deadline = started + self._timeout_s
        try:
            ready = self._prepare(request)
            if isinstance(ready, Fault):
                end: Reply | Fault = ready
            else:
                target, message = ready
                connection = self._idle(target) or await self._obtain(target, deadline)
                end = connection if isinstance(connection, Fault) else await connection.ask(message, deadline)
        except Exception as error:
            # A name only: the text may quote the URL or a header.
            log.error("request.unforeseen exception=%s", type(error).__name__)
            end = Fault(UNKNOWN, sent=True)
        elapsed_ms = round((time.monotonic() - started) * 1000)
        if isinstance(end, Fault):
            return Answer(error=end.error, sent=end.sent, elapsed_ms=elapsed_ms)
        return Answer(*end, sent=True, elapsed_ms=elapsed_ms)

    async def close(self) -> None:
        """Close what is idle and give up what is in flight; further requests are ECONNABORTED."""
        self._closed = True
        self._hosts.close()

    def _prepare(self, request: Request) -> tuple[Target, bytes] | Fault:
        """Where to and what to send."""
        target = urls.parse(request.url)
        if isinstance(target, Fault):
            return target
        message = wire.encode(request, target)
        return message if isinstance(message, Fault) else (target, message)

    def _idle(self, target: Target) -> Connection | None:
        """As it mostly is: one that is good, and nothing is waited for."""
        if self._closed or (host := self._hosts.known(target.host)) is None:
            return None
        return host.pool(target.port, target.tls).take()

    async def _obtain(self, target: Target, deadline: float) -> Connection | Fault:
        """One that is let go of or a new one; of the next address if that can't be reached."""
        if self._closed:
            return faults.CLOSED
        host = self._hosts.known(target.host) or await self._hosts.find(target.host, deadline)
        if isinstance(host, Fault):
            return host
        for _ in range(min(len(host.addresses), MOST_ADDRESSES)):
            address = host.address
            pool = host.pool(target.port, target.tls)
            end = pool.take() or await pool.obtain(deadline)
            if isinstance(end, Connection) and deadline <= time.monotonic():
                pool.keep(end)  # what is not sent is not ambiguous
                return faults.UNCONNECTED
            if not (isinstance(end, Fault) and end.unreachable):
                break
            host.leave(address)
            if deadline - time.monotonic() <= self._connect_timeout_s:
                break
        return end
