"""Records that nobody waits for are written in bulk: what comes for a topic within LATE_S in one write.

librdkafka makes one request of each partition's records. An event for twenty destinations that take nothing
is twenty requests, which stand before the one that a healthy destination waits for.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence

from streams.dispatch import Tasks
from streams.letters import Letters
from streams.producer import Outgoing

#: How long the first record of a topic waits for others: at most this and at least half of it, so that topics
#: that get the same events are not all written at the same moment.
LATE_S = 1.0
#: With so many for one topic, the write begins at once.
MOST = 500


class Bulk:
    """Gathers records by topic; made and used on the event loop."""

    def __init__(self, letters: Letters, tasks: Tasks) -> None:
        self._letters = letters
        self._tasks = tasks
        self._held: dict[str, Held] = {}

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when every record, or its dlq record, is durable.

        Raises:
            Exception: what `Letters.send` raised, for all that were written together.
        """
        by_topic: defaultdict[str, list[Outgoing]] = defaultdict(list)
        for record in outgoing:
            by_topic[record.topic].append(record)
        written = [self._hold(topic, records) for topic, records in by_topic.items()]
        if written:
            await asyncio.wait(written)  # unlike `gather` it leaves them alone when it is cancelled
        for future in written:
            future.result()

    def _hold(self, topic: str, records: Sequence[Outgoing]) -> "asyncio.Future[None]":
        held = self._held.get(topic)
        if held is None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(random.uniform(LATE_S / 2, LATE_S), self._begin, topic)  # noqa: S311
            held = self._held[topic] = Held(loop.create_future(), timer)
        held.records += records
        if len(held.records) >= MOST:
            held.timer.cancel()
            self._begin(topic)
        return held.written

    def _begin(self, topic: str) -> None:
        self._tasks.spawn(self._write(self._held.pop(topic)))

    async def _write(self, held: "Held") -> None:
        try:
            await self._letters.send(held.records)
        except Exception as fault:
            held.written.set_exception(fault)
        except BaseException:
            held.written.cancel()
            raise
        else:
            held.written.set_result(None)


class Held:
    """What is to be written to one topic."""

    __slots__ = ("records", "timer", "written")

    def __init__(self, written: "asyncio.Future[None]", timer: asyncio.TimerHandle) -> None:
        self.records: list[Outgoing] = []
        self.written = written
        self.timer = timer
