"""A destination server with the habits of real ones, which keeps books on what it was sent.

Everything is plain sockets: no HTTP framework would send the nonsense that some webhooks do.

- ``POST /<name>``        a delivery to the destination of that name (any path below it, too)
- ``POST /renew/<name>``  gives that destination a key that does not expire
- ``POST /outage/<seconds>``  closes every port for that long
- ``GET /counts``         the books in figures, for every destination
- ``GET /counts/<name>``  every answer given to every key

Runs inside a program (``async with DemoDestination() as d: d.url("crm-hook")``) or by itself:
``python -m streams.demo.destination --port 8080``.
"""

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from streams import durations
from streams.demo import misbehave, ports
from streams.demo.books import Destination, Expiry
from streams.demo.misbehave import Reply, Then

#: SO_LINGER with no time to linger: closing sends RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes

    @property
    def key(self) -> str:
        """What all attempts of one delivery have in common: the Standard Webhooks id, or else the body."""
        return self.headers.get("webhook-id") or hashlib.blake2b(self.body, digest_size=16).hexdigest()


class DemoDestination:
    """Any number of destinations on one port, the same on a TLS port with a self-signed certificate,
    and a port that refuses.

    ``port`` and ``tls_port``: 0 picks free ones. ``expire_key_after``: by destination. ``slow_s``:
    how long a slow answer stays away before the connection is closed without one.
    """

    def __init__(
        self,
        host: str = ports.LOOPBACK,
        port: int = 0,
        tls_port: int = 0,
        *,
        expire_key_after: Mapping[str, Expiry] | None = None,
        slow_s: float = 60,
    ) -> None:
        self.host = host
        self.port = port or ports.free()
        self.tls_port = tls_port or ports.free()
        self.slow_s = slow_s
        self.destinations: dict[str, Destination] = {}
        self._expire_key_after = dict(expire_key_after or {})
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._refusing: socket.socket | None = None
        self._outage: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._refusing = ports.refusing()
        await self._listen()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._hang_up()
        if self._refusing is not None:
            self._refusing.close()

    def url(self, name: str) -> str:
        return f"http://{self.host}:{self.port}/{name}"

    def self_signed_url(self, name: str) -> str:
        """The same destination behind a certificate that no client should trust."""
        return f"https://{self.host}:{self.tls_port}/{name}"

    def refused_url(self, name: str) -> str:
        """Where nobody listens, for as long as the server runs."""
        assert self._refusing is not None, "the server does not run"
        return f"http://{ports.LOOPBACK}:{self._refusing.getsockname()[1]}/{name}"

    def destination(self, name: str) -> Destination:
        if name not in self.destinations:
            self.destinations[name] = Destination(self._expire_key_after.get(name))
        return self.destinations[name]

    def counts(self) -> dict[str, dict[str, Any]]:
        return {name: destination.counts() for name, destination in sorted(self.destinations.items())}

    async def outage(self, seconds: float) -> None:
        """A restart of the whole server: open connections are reset, new ones refused, then it is back."""
        await self._hang_up()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _listen(self) -> None:
        from streams.demo import certificate  # its package is the demo's alone; `verify` does without

        for port, tls in ((self.port, None), (self.tls_port, certificate.server_context())):
            server = await asyncio.start_server(self._converse, self.host, port, ssl=tls, backlog=1024)
            self._servers.append(server)

    async def _hang_up(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for transport in self._connections.values():
            reset(transport)
        await asyncio.gather(*self._connections)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a reply to every request until either side has enough."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer.transport
        try:
            while request := await read_request(reader):
                reply = self._reply(request)
                writer.write(reply.wire)
                await writer.drain()
                if reply.then is not Then.KEEP:
                    await self._end(reply.then, reader, writer)
                    break
        except (ConnectionError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client went away, or did not speak HTTP
        finally:
            del self._connections[task]
            writer.close()

    async def _end(self, then: Then, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if then is Then.RESET:
            reset(writer.transport)
        if then is Then.SILENCE:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), self.slow_s)

    def _reply(self, request: Request) -> Reply:
        match request.method, request.path.split("?")[0].strip("/").split("/"):
            case "GET", ["counts"]:
                return misbehave.http(HTTPStatus.OK, self.counts())
            case "GET", ["counts", name] if name in self.destinations:
                return misbehave.http(HTTPStatus.OK, self.destinations[name].answers)
            case "POST", ["renew", name]:
                self.destination(name).renew()
                return misbehave.http(HTTPStatus.NO_CONTENT)
            case "POST", ["outage", seconds]:
                self._outage = asyncio.get_running_loop().create_task(self.outage(float(seconds)))
                return misbehave.http(HTTPStatus.ACCEPTED)
            case "POST" | "PUT" | "PATCH", [name, *_] if name:
                return self.destination(name).reply(request.key)
        return misbehave.http(HTTPStatus.NOT_FOUND, {"error": "not found"})


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, its body given by Content-Length; None at the connection's end.

    Raises ValueError for what is not such a request.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with RST."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def expiry(text: str) -> tuple[str, Expiry]:
    """``crm-hook=500`` (events) or ``crm-hook=30s`` (from the first request)."""
    name, _, when = text.partition("=")
    return name, int(when) if when.isdecimal() else datetime.timedelta(seconds=durations.parse(when))


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    expirations = dict(options.expire_key_after)
    server = DemoDestination(
        options.host, options.port, options.tls_port, expire_key_after=expirations, slow_s=options.slow
    )
    async with server:
        sys.stderr.write(f"destinations: {server.url('NAME')} and {server.self_signed_url('NAME')}\n")
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A destination server with the habits of real ones.")
    parser.add_argument("--host", default=ports.LOOPBACK, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--tls-port", type=int, default=0, help="with a self-signed certificate")
    parser.add_argument("--slow", type=durations.parse, default=60.0, help="how long slow answers take: 60s")
    parser.add_argument(
        "--expire-key-after", type=expiry, action="append", default=[], metavar="NAME=EVENTS|NAME=DURATION"
    )
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
