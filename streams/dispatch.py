"""One ordered worker per partition: batches begin in offset order, and no error can drop one."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from streams.flight import Batch, Partition

log = logging.getLogger(__name__)

SHORTEST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
T = TypeVar("T")
#: Begins the records of a batch; returns when the next batch of its partition may begin.
Handle = Callable[[Batch], Awaitable[None]]


class Tasks:
    """Tasks under way; asyncio itself keeps only a weak reference to a task."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, GivenBack):
            log.critical("task.died", exc_info=error)  # its records are never completed: nothing is lost

    async def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class GivenBack(Exception):
    """The partition went to another before the work on its batch succeeded; its new owner does it."""


async def until_done(what: str, batch: Batch, work: Callable[[], Awaitable[T]]) -> T:
    """Do the work; when it raises, do it again after a while, until it succeeds.

    Nothing here may be skipped: an event leaves our hands only with its outcome written. An error
    that nobody foresaw therefore holds up its partition, loudly, rather than dropping the event.

    Raises:
        GivenBack: the batch was halted before the work succeeded, or is not held any more.
    """
    backoff = SHORTEST_BACKOFF_S
    while True:
        if not (batch.certain or await batch.held()):
            raise GivenBack
        try:
            return await work()
        except GivenBack:
            raise
        except Exception:
            log.exception("%s.error topic=%s partition=%d: again in %gs", what, *batch.tp, backoff)
        if batch.halted:
            raise GivenBack
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, LONGEST_BACKOFF_S)


class Dispatcher:
    """Hands the batches of each partition to `handle`, one after the other."""

    def __init__(self, what: str, handle: Handle) -> None:
        self._what = what
        self._handle = handle
        self._queues: dict[Partition, asyncio.Queue[Batch]] = {}
        self._tasks = Tasks()

    def take(self, batch: Batch) -> None:
        """Queue a batch; the window of its partition bounds the queue."""
        queue = self._queues.get(batch.tp)
        if queue is None:
            queue = self._queues[batch.tp] = asyncio.Queue()
            self._tasks.spawn(self._work(queue))
        queue.put_nowait(batch)

    async def _work(self, queue: asyncio.Queue[Batch]) -> None:
        while True:
            batch = await queue.get()
            if await batch.free():
                with contextlib.suppress(GivenBack):
                    await until_done(self._what, batch, functools.partial(self._handle, batch))

    async def close(self) -> None:
        await self._tasks.cancel()
