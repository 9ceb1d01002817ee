"""Records that nobody waits for are written in bulk: what comes for a topic within LATE_S in one write.

An event for twenty destinations that take nothing is twenty batches, each of which a broker has to look into
and append, before it answers a request with the one that a healthy destination waits for.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from streams.copies import Share
from streams.dispatch import GivenBack, Tasks
from streams.packing import Content

log = logging.getLogger(__name__)

#: How long the first record of a topic waits for others: at most this and at least half of it, so that topics
#: that get the same events are not all written at the same moment.
LATE_S = 1.0
#: With so many for one topic, the write begins at once.
MOST = 500

#: Whether what is to be written is still ours to write.
Ours = Callable[[], Awaitable[bool]]
#: Returns when all is durable on its topics, or its dlq record is.
Write = Callable[[Sequence[Share]], Awaitable[None]]


class Part(NamedTuple):
    """What one has sent to a topic. `written` says whether it was written with the others."""

    topic: str
    contents: Sequence[Content]
    ours: Ours
    written: "asyncio.Future[bool]"


class Held:
    """What is to be written to a topic."""

    __slots__ = ("count", "parts", "timer")

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.parts: list[Part] = []
        self.count = 0  #: of records, of all parts
        self.timer = timer


class Bulk:
    """Gathers records by topic; made and used on the event loop."""

    def __init__(self, write: Write, tasks: Tasks) -> None:
        self._write = write
        self._tasks = tasks
        self._held: dict[str, Held] = {}

    async def send(self, shares: Sequence[Share], ours: Ours) -> None:
        """Return when all is durable.

        Raises:
            GivenBack: some were not `ours` any more when it was time to write them.
            Exception: what the write raised for these records alone.
        """
        parts = [self._hold(topic, contents, ours) for topics, contents in shares for topic in topics]
        if parts:  # `wait` cancels none of them when it is cancelled, as `gather` would
            await asyncio.wait([part.written for part in parts])
        left = [part for part in parts if not part.written.result()]
        if left and not await ours():
            raise GivenBack
        for part in left:  # by itself: another's fault is not ours
            await self._write([([part.topic], part.contents)])

    def begin_all(self) -> None:
        """Write what is held now."""
        for topic in list(self._held):
            self._begin(topic)

    def close(self) -> None:
        """Write nothing more of what is held."""
        for held in self._held.values():
            held.timer.cancel()

    def _hold(self, topic: str, contents: Sequence[Content], ours: Ours) -> Part:
        loop, held = asyncio.get_running_loop(), self._held.get(topic)
        if held is None:
            wait_s = random.uniform(LATE_S / 2, LATE_S)  # noqa: S311
            held = self._held[topic] = Held(loop.call_later(wait_s, self._begin, topic))
        part = Part(topic, contents, ours, loop.create_future())
        held.parts.append(part)
        held.count += len(contents)
        if held.count >= MOST:
            self._begin(topic)
        return part

    def _begin(self, topic: str) -> None:
        held = self._held.pop(topic)
        held.timer.cancel()
        self._tasks.spawn(self._write_all(topic, held.parts))

    async def _write_all(self, topic: str, held: Sequence[Part]) -> None:
        """What is ours, together. Whoever sent the rest, or all where that fails, sees to it."""
        written: list[Part] = []
        try:
            mine = [part for part in held if await part.ours()]
            if mine:
                await self._write([([topic], [content for part in mine for content in part.contents])])
            written = mine
        except Exception:
            log.exception("bulk.error parts=%d: again, each by itself", len(held))
        finally:
            for part in written:
                _say(part, written=True)
            for part in held:
                _say(part, written=False)


def _say(part: Part, *, written: bool) -> None:
    if not part.written.done():
        part.written.set_result(written)
