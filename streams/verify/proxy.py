"""A network between workers and a broker that can be made to fail: a TCP proxy of our own.

The broker advertises the proxy's port to whoever comes this way; load and judge go straight to it. No
right is needed to lose a packet that one was given oneself.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from streams.demo import ports
from streams.demo.destination import reset

T = TypeVar("T")
CHUNK = 64 * 1024


class Proxy:
    """Passes bytes between its port and the broker's, for as long as nothing else is said."""

    def __init__(self, port: int, to_port: int) -> None:
        self._port, self._to_port = port, to_port
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._slow_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.heal()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def lose(self) -> None:
        """Nothing passes any more, and nobody is told: a connection seems open and says nothing."""
        self._call(self._passes.clear)

    def cut(self) -> int:
        """End every connection with a RST; how many there were. New ones pass."""
        return self._call(self._reset_all)

    def slow(self, seconds: float) -> None:
        """Everything takes so much longer, each way."""
        self._slow_s = seconds

    def heal(self) -> None:
        """Everything passes, also what was held back: TCP sends again what was lost."""
        self._slow_s = 0.0
        self._call(self._passes.set)

    def close(self) -> None:
        """Cut, and listen no more."""
        self._call(self._cancel_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # -- on the proxy's own thread -------------------------------------------------------------

    def _call(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._converse, ports.LOOPBACK, self._port)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a worker, and ours to the broker in its name."""
        self._open.add(writer)
        try:
            await self._passes.wait()
            there_reader, there = await asyncio.open_connection(ports.LOOPBACK, self._to_port)
        except OSError:  # the broker is gone
            self._end(writer)
            return
        self._open.add(there)
        ways = asyncio.gather(self._pass(reader, there), self._pass(there_reader, writer))
        try:
            await ways
        except (OSError, asyncio.CancelledError):
            ways.cancel()
        finally:
            self._end(writer)
            self._end(there)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until either end has enough: then both do."""
        while data := await reader.read(CHUNK):
            await asyncio.sleep(self._slow_s)
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        await self._passes.wait()
        raise ConnectionError("one end has closed")

    def _end(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        with contextlib.suppress(OSError):
            writer.close()

    def _reset_all(self) -> int:
        for writer in list(self._open):
            reset(writer.transport)
        return len(self._open) // 2

    def _cancel_all(self) -> None:
        self._server.close()
        self._passes.set()
        self._reset_all()
