"""One HTTP/1.1 connection: a request goes out, the head of its answer comes back, and then the next.

The answer is read by llhttp, which is Node.js's parser, and so are the names of what it dislikes. An
answer is given as soon as its status is known and the wanted head of its body is there; the rest of the
body is passed over, or the connection closed. Once a status is known nothing undoes it: not a body that
is late, cut off or broken.
"""

import asyncio
import time
from typing import NamedTuple, Protocol

import httptools

from streams.http import faults
from streams.http.faults import Fault

MOST_HEADERS = 64  #: of an answer, and so many bytes of each: the others are left out
LONGEST_HEADER = 1024
MOST_LINES = 128  #: of the head of an answer, those before it (100 Continue) included
LONGEST_HEAD = 400 * 1024  #: bytes
#: So much of a body is read and thrown away to keep its connection; with more to come it is closed.
LONGEST_REST = 64 * 1024
LONGEST_REST_S = 1.0


class Reply(NamedTuple):
    """What a destination said."""

    status: int
    #: Lower-case names and their first values.
    headers: dict[str, str]
    #: The head of the body, as it was sent.
    body: bytes


class Keeper(Protocol):
    """Who keeps a connection while nobody uses it, and watches the time while somebody does."""

    def asked(self, connection: "Connection") -> None:
        """An answer is to come: call `expire` some time after its deadline."""

    def released(self, connection: "Connection") -> None:
        """It can take the next request."""

    def lost(self, connection: "Connection") -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    __deletable__ = ("_parser",)  # for mypyc

    def __init__(self, body_limit: int, keeper: Keeper) -> None:
        self.asked_at = 0.0  #: on the monotonic clock, as all times here
        self.idle_since = 0.0  #: 0: never was
        self.closed = False
        self.deadline = float("inf")  #: of the request under way
        self._loop = asyncio.get_running_loop()
        self._body_limit = body_limit
        self._keeper = keeper
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser  #: from connection_made to connection_lost
        self._waiter: asyncio.Future[Reply | Fault] | None = None
        self._busy = False  #: an answer is to come, or the rest of one
        self._rest: asyncio.TimerHandle | None = None  #: ends the reading of the rest
        self._clear()

    def _clear(self) -> None:
        self._status = 0
        self._complete = self._reusable = False
        self._lines: list[tuple[bytes, bytes]] = []
        self._lines_left = MOST_LINES
        self._head_left = LONGEST_HEAD
        self._body = bytearray()
        self._rest_left = LONGEST_REST

    @property
    def usable(self) -> bool:
        """Whether it can take a request, as far as can be known."""
        return not self.closed and not self._transport.is_closing()

    async def ask(self, message: bytes, deadline: float) -> Reply | Fault:
        """Send a request and return its answer, at the deadline (monotonic) what there is of it.

        Raises:
            CancelledError: the caller was cancelled; the connection is closed.
        """
        self._clear()
        self._busy, self.deadline, self.asked_at = True, deadline, time.monotonic()
        waiter = self._waiter = self._loop.create_future()
        self._keeper.asked(self)
        try:
            self._transport.write(message)
            end: Reply | Fault = await waiter
            return end
        except asyncio.CancelledError:
            self.close()
            raise

    def expire(self) -> None:
        """The deadline has passed: what there is of the answer is all there will be."""
        self.close(faults.UNANSWERED)

    def close(self, fault: Fault = faults.GIVEN_UP) -> None:
        """Close at once; a request under way ends with this fault."""
        self.closed = True
        self._end(fault)
        self._transport.abort()

    # -- what the event loop tells -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a stream it is one that writes
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed, self._busy = True, False
        self._end(faults.of_loss(error))
        self._stop_reading()
        del self._parser  # which refers to us, and only the garbage collector would find the two
        self._keeper.lost(self)

    def data_received(self, data: bytes) -> None:
        if not self._busy:  # nobody asked
            return self.close()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return self.close()  # the status is 101
        except httptools.HttpParserError as error:
            return self.close(faults.of_parser(error))
        if not self._status:
            self._head_left -= len(data)
            if self._head_left < 0 or self._lines_left < 0:
                self.close(faults.OVERFLOW)
        elif not 100 <= self._status <= 599:
            self.close(faults.NO_STATUS)
        elif self._complete:
            self._finish()
        elif len(self._body) == self._body_limit:
            self._pass_over()
        return None

    # -- what the parser tells -----------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines_left -= 1
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            raise ValueError("no version of HTTP that we asked in")
        if 100 <= status < 200 and status != 101:
            self._lines.clear()  # what is said before the answer is not the answer
        elif self._lines_left >= 0:
            self._status = status or -1

    def on_body(self, chunk: bytes) -> None:
        taken = self._body_limit - len(self._body)
        self._body += chunk[:taken]
        self._rest_left -= max(0, len(chunk) - taken)

    def on_message_complete(self) -> None:
        self._complete = self._status != 0
        self._reusable = self._parser.should_keep_alive()

    # -- the end of a request ------------------------------------------------------------------

    def _pass_over(self) -> None:
        """Enough of the body is there: answer now, and be of use again when the rest has gone by."""
        self._end(faults.UNANSWERED)
        if self._rest_left <= 0:
            self.close()
        elif self._rest is None:
            self._rest = self._loop.call_later(LONGEST_REST_S, self.close)

    def _stop_reading(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _finish(self) -> None:
        """The whole answer is there: the next request may come."""
        self._end(faults.UNANSWERED)
        self._stop_reading()
        if self._reusable and not self._transport.get_write_buffer_size():
            self._busy = False
            self._keeper.released(self)
        else:
            self.close()

    def _end(self, fault: Fault) -> None:
        """Give whoever waits the answer as far as it is known, or else the fault."""
        waiter, self._waiter = self._waiter, None
        self.deadline = float("inf")
        if waiter is None or waiter.done():
            return
        if 100 <= self._status <= 599:
            waiter.set_result(Reply(self._status, _bounded(self._lines), bytes(self._body)))
        else:
            waiter.set_result(fault)


def _bounded(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names and their first values, so many and so long; none that is not ASCII."""
    headers: dict[str, str] = {}
    for name, value in lines:
        if len(name) > LONGEST_HEADER or not (name.isascii() and value.isascii()):
            continue
        if headers.setdefault(name.decode().lower(), value[:LONGEST_HEADER].decode()) and (
            len(headers) == MOST_HEADERS
        ):
            break
    return headers
