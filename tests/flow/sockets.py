"""Destinations that misbehave: raw servers on loopback, each told what to do by a script.

    async with serving(closes) as peer:
        answer = await client.send(post(peer.url))
    assert peer.requests == [b'{"n": 1}']

A script is a coroutine over one connection. When it returns, the connection is closed.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from connectors.base import Request

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


@dataclass
class Peer:
    """A server, and what it has seen."""

    scheme: str = "http"
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 0
    #: Connections open now.
    open: int = 0
    #: The heads and the bodies of the requests that arrived whole.
    heads: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    #: Bytes the connections took from the server.
    sent: int = 0
    lines: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/hook"


@dataclass
class Line:
    """One connection, seen from the server."""

    peer: Peer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """Read one request with a content-length; returns its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        body = await self.reader.readexactly(length)
        self.peer.heads.append(head)
        self.peer.requests.append(body)
        return body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.peer.sent += len(data)

    async def quiet(self) -> None:
        """Let what was sent arrive before what comes next."""
        await asyncio.sleep(0.03)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Line], Awaitable[None]]


def post(peer: Peer, body: bytes = b'{"n": 1}', **headers: str) -> Request:
    return Request("POST", f"{peer.url}?token=hunter2", headers, body)


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A server on a free port of 127.0.0.1 that plays `script` on every connection."""
    peer = Peer(scheme="https" if tls else "http")

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_play(script, Line(peer, reader, writer)))
        peer.lines[task] = writer

    server = await asyncio.start_server(accept, peer.host, 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task, writer in peer.lines.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*peer.lines, return_exceptions=True)
        await asyncio.sleep(0.01)  # the loop closes aborted sockets in its own time


async def _play(script: Script, line: Line) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        line.peer.connections += 1
        line.peer.open += 1
        try:
            await script(line)
        finally:
            line.peer.open -= 1
            line.writer.close()


def answers(*replies: bytes, then: Script | None = None) -> Script:
    """Answers request after request with these bytes, and `then` does something else, or closes."""

    async def script(line: Line) -> None:
        for reply in replies:
            await line.request()
            await line.send(reply)
        if then:
            await then(line)

    return script


async def accepts(line: Line) -> None:
    """Answers every request with 200, on a connection that stays open."""
    while True:
        await line.request()
        await line.send(OK)


async def closes(line: Line) -> None:
    """Takes the request and closes without an answer."""
    await line.request()


async def resets(line: Line) -> None:
    """Takes the request and resets the connection."""
    await line.request()
    line.reset()


async def hangs(line: Line) -> None:
    """Takes whatever comes, and never says anything."""
    while await line.reader.read(65536):
        pass


def trickles(head: bytes, piece: bytes, pause_s: float = 0.02) -> Script:
    """Answers with `head`, and then with `piece` after `piece` for ever."""

    async def script(line: Line) -> None:
        await line.request()
        await line.send(head)
        while True:
            await asyncio.sleep(pause_s)
            await line.send(piece)

    return script


def floods(head: bytes, piece: bytes) -> Script:
    """Answers with `head`, and then with as much of `piece` as is taken."""
    return trickles(head, piece, pause_s=0)


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for something that happens on another thread or at the other end."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@contextmanager
def full_backlog() -> Iterator[Peer]:
    """A port that listens but accepts nobody: connecting to it takes for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        queued = [socket.socket() for _ in range(4)]
        try:
            for sock in queued:
                sock.setblocking(False)
                sock.connect_ex(listening.getsockname())
            yield Peer(port=listening.getsockname()[1])
        finally:
            for sock in queued:
                sock.close()


def closed_port() -> Peer:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return Peer(port=sock.getsockname()[1])
