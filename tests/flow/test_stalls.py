"""A worker that stood still itself (a throttled container, a long garbage collection) blames no destination.

The far end is a thread here: it goes on while the event loop does not.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.answers import Answer
from connectors.base import Request
from streams.request import Client
from tests.flow.certificates import certificate
from tests.flow.sockets import OK, until

TIMEOUT_S, STALL_S = 0.3, 1.0
CERTIFICATE = certificate("127.0.0.1")


@dataclass
class FarEnd:
    """Serves one request; the connection and the answer come late, but within the timeout."""

    listening: socket.socket
    tls: ssl.SSLContext | None
    #: It has a connection and, without TLS, the request.
    begun: threading.Event = field(default_factory=threading.Event)
    got: bytes = b""

    @property
    def request(self) -> Request:
        scheme, port = "https" if self.tls else "http", self.listening.getsockname()[1]
        return Request("POST", f"{scheme}://127.0.0.1:{port}/", {}, b"{}")

    def serve(self) -> None:
        self.listening.settimeout(5)
        plain, _ = self.listening.accept()
        plain.settimeout(5)
        plain.recv(1, socket.MSG_PEEK)  # of the request, or of the handshake
        self.begun.set()
        time.sleep(TIMEOUT_S / 2)
        with self.tls.wrap_socket(plain, server_side=True) if self.tls else plain as connection:
            self.got = connection.recv(65536)
            if self.got:
                connection.sendall(OK)
                connection.recv(65536)  # until it is closed


@asynccontextmanager
async def far_end(tls: ssl.SSLContext | None = None) -> AsyncIterator[FarEnd]:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as threads:
        far_end = FarEnd(listening, tls)
        served = threads.submit(far_end.serve)
        yield far_end
        await asyncio.wrap_future(served)


def trusted(folder: Path) -> str:
    """A bundle with our certificate."""
    bundle = folder / "ca.pem"
    bundle.write_bytes(CERTIFICATE.pem)
    return str(bundle)


async def standing_still(client: Client, far_end: FarEnd) -> Answer:
    """Send a request, and stop the loop, in the midst of its reading, past the timeout."""
    sending = asyncio.ensure_future(client.send(far_end.request))
    await until(far_end.begun.is_set)
    loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()

    def stall() -> None:
        loop.remove_reader(ours)
        time.sleep(STALL_S)

    with ours, theirs:
        loop.add_reader(ours, stall)
        theirs.send(b"now")
        answer = await sending
    await client.close()
    return answer


async def test_an_answer_that_came_meanwhile_came_in_time() -> None:
    client = Client(timeout_s=TIMEOUT_S, allow_private=True)
    async with far_end() as peer:
        assert (await standing_still(client, peer)).code == "200"


async def test_what_has_no_time_left_for_an_answer_is_not_sent(tmp_path: Path) -> None:
    client = Client(timeout_s=TIMEOUT_S, allow_private=True, ca_file=trusted(tmp_path))
    async with far_end(CERTIFICATE.server()) as peer:
        answer = await standing_still(client, peer)
    assert (answer.code, answer.sent, peer.got) == ("ETIMEDOUT", False, b"")


async def test_a_connection_that_was_made_meanwhile_was_made_in_time(tmp_path: Path) -> None:
    client = Client(
        timeout_s=5, connect_timeout_s=TIMEOUT_S, allow_private=True, ca_file=trusted(tmp_path)
    )  # fmt: skip
    async with far_end(CERTIFICATE.server()) as peer:
        assert (await standing_still(client, peer)).code == "200"
