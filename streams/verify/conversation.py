"""One connection to the destination server: requests in, answers out, on plain asyncio.

Written for a long run beside workers and broker on two cores: no streams, no task for a request, one
write for an ordinary answer. What only some answers need (time, pieces without end) is a task of its own.
"""

import asyncio
import re
from collections.abc import Callable

from streams.demo.destination import reset
from streams.demo.misbehave import Reply, Then
from streams.verify.replies import Long

#: How long a silent connection is kept, seconds; the client has had enough before.
SILENCE_S = 300.0
LONGEST_REQUEST = 64 << 20
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

#: The answer to a request, by its path and body, and the seconds until it begins. ValueError hangs up.
Answer = Callable[[str, bytes], tuple[Reply, float]]


class Conversation(asyncio.Protocol):
    """Answers request after request until either side has enough."""

    def __init__(self, answer: Answer, others: "set[Conversation]") -> None:
        self._answer = answer
        self._others = others  # that are open on this port
        self._received = bytearray()
        self._busy = False
        self._later: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    # -- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._others.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def hang_up(self) -> None:
        reset(self._transport)

    # -- requests --------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what is there; a request that comes before the last answer has ended waits."""
        try:
            while not self._busy and (request := self._cut()):
                reply, after_s = self._answer(*request)
                self._busy = True
                if after_s:
                    self._later = asyncio.get_running_loop().call_later(after_s, self._say, reply)
                else:
                    self._say(reply)
        except ValueError:  # it does not speak HTTP
            self._transport.close()

    def _cut(self) -> tuple[str, bytes] | None:
        """The next whole request, path and body, off what was received."""
        received = self._received
        if (end := received.find(b"\r\n\r\n")) < 0:
            return None
        length = _LENGTH.search(received, 0, end + 2)
        whole = end + 4 + (int(length[1]) if length else 0)
        if whole > LONGEST_REQUEST:
            raise ValueError("longer than any request of ours")
        if len(received) < whole:
            return None
        _method, path, _rest = received[: received.index(b"\r\n")].split(b" ", 2)
        body = bytes(received[end + 4 : whole])
        del received[:whole]
        return path.decode("latin-1"), body

    # -- answers ---------------------------------------------------------------------------------

    def _say(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(reply.wire)
        if isinstance(reply, Long):
            self._later = asyncio.get_running_loop().create_task(self._prolong(reply))
        else:
            self._end(reply.then)

    async def _prolong(self, reply: Long) -> None:
        for _ in range(reply.times):
            self._transport.write(reply.piece)
            await asyncio.sleep(reply.every_s)  # at least once around the loop: the others want answers too
            await self._writable.wait()
        self._transport.write(reply.tail)
        self._end(reply.then)

    def _end(self, then: Then) -> None:
        match then:
            case Then.KEEP:
                self._busy = False
                if self._received:
                    asyncio.get_running_loop().call_soon(self._go_on)
            case Then.CLOSE:
                self._transport.close()
            case Then.RESET:
                reset(self._transport)
            case Then.SILENCE:
                self._later = asyncio.get_running_loop().call_later(SILENCE_S, self._transport.close)
