"""Records that nobody waits for are written in bulk: what comes for a topic within LATE_S in one write.

librdkafka makes one request of each partition's records. An event for twenty destinations that take nothing
is twenty requests, which stand before the one that a healthy destination waits for.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from streams.dispatch import GivenBack, Tasks
from streams.letters import Letters
from streams.producer import Outgoing

log = logging.getLogger(__name__)

#: How long the first record of a topic waits for others: at most this and at least half of it, so that topics
#: that get the same events are not all written at the same moment.
LATE_S = 1.0
#: With so many for one topic, the write begins at once.
MOST = 500

#: Whether what is to be written is still ours to write.
Ours = Callable[[], Awaitable[bool]]


class Part(NamedTuple):
    """What one has sent to a topic. `written` says whether it was written with the others."""

    records: Sequence[Outgoing]
    ours: Ours
    written: "asyncio.Future[bool]"


class Held:
    """What is to be written to a topic."""

    __slots__ = ("parts", "records", "timer")

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.parts: list[Part] = []
        self.records = 0  #: of all parts
        self.timer = timer


class Bulk:
    """Gathers records by topic; made and used on the event loop."""

    def __init__(self, letters: Letters, tasks: Tasks) -> None:
        self._letters = letters
        self._tasks = tasks
        self._held: dict[str, Held] = {}

    async def send(self, outgoing: Sequence[Outgoing], ours: Ours) -> None:
        """Return when every record, or its dlq record, is durable.

        Raises:
            GivenBack: some were not `ours` any more when it was time to write them.
            Exception: what `Letters.send` raised for these records alone.
        """
        by_topic: defaultdict[str, list[Outgoing]] = defaultdict(list)
        for record in outgoing:
            by_topic[record.topic].append(record)
        parts = [self._hold(topic, records, ours) for topic, records in by_topic.items()]
        if parts:  # `wait` cancels none of them when it is cancelled, as `gather` would
            await asyncio.wait([part.written for part in parts])
        left = [part for part in parts if not part.written.result()]
        if left and not await ours():
            raise GivenBack
        for part in left:  # by itself: another's fault is not ours
            await self._letters.send(part.records)

    def begin_all(self) -> None:
        """Write what is held now."""
        for topic in list(self._held):
            self._begin(topic)

    def close(self) -> None:
        """Write nothing more of what is held."""
        for held in self._held.values():
            held.timer.cancel()

    def _hold(self, topic: str, records: Sequence[Outgoing], ours: Ours) -> Part:
        loop, held = asyncio.get_running_loop(), self._held.get(topic)
        if held is None:
            wait_s = random.uniform(LATE_S / 2, LATE_S)  # noqa: S311
            held = self._held[topic] = Held(loop.call_later(wait_s, self._begin, topic))
        part = Part(records, ours, loop.create_future())
        held.parts.append(part)
        held.records += len(records)
        if held.records >= MOST:
            self._begin(topic)
        return part

    def _begin(self, topic: str) -> None:
        held = self._held.pop(topic)
        held.timer.cancel()
        self._tasks.spawn(self._write(held.parts))

    async def _write(self, held: Sequence[Part]) -> None:
        """What is ours, together. Whoever sent the rest, or all where that fails, sees to it."""
        written: list[Part] = []
        try:
            mine = [part for part in held if await part.ours()]
            await self._letters.send([record for part in mine for record in part.records])
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
