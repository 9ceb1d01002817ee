"""Batches begin in order, and whatever goes wrong, none is dropped or said to be done."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streams import dispatch
from streams.dispatch import Dispatcher, GivenBack, Tasks, until_done
from streams.flight import Batch, Partition

ONE, TWO = Partition("deliver.crm", 0), Partition("deliver.crm", 1)


def batch(tp: Partition = ONE) -> Batch:
    return Batch(tp, [])


class Work:
    """Does what it is told, batch by batch, and remembers what it began."""

    def __init__(self) -> None:
        self.begun: list[Batch] = []
        self.trouble: list[BaseException] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, batch: Batch) -> None:
        self.begun.append(batch)
        if self.trouble:
            raise self.trouble.pop(0)
        await self.gate.wait()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def dispatcher(work: Work, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Dispatcher]:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.01)
    made = Dispatcher("work", work)
    yield made
    await made.close()


async def turns(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_batches_of_a_partition_begin_one_after_the_other(dispatcher: Dispatcher, work: Work) -> None:
    work.gate.clear()
    first, second, elsewhere = batch(), batch(), batch(TWO)
    for one in (first, second, elsewhere):
        dispatcher.take(one)

    await turns(lambda: len(work.begun) == 2)
    assert work.begun == [first, elsewhere]

    work.gate.set()
    await turns(lambda: len(work.begun) == 3)
    assert work.begun[2] is second


async def test_an_error_holds_up_its_partition_until_the_work_succeeds_and_no_other(
    dispatcher: Dispatcher, work: Work
) -> None:
    work.trouble = [RuntimeError("once"), RuntimeError("twice")]
    first, second = batch(), batch()
    dispatcher.take(first)
    dispatcher.take(second)

    await turns(lambda: len(work.begun) == 4)
    assert work.begun == [first, first, first, second]


async def test_a_batch_that_was_given_back_is_not_begun(dispatcher: Dispatcher, work: Work) -> None:
    returned, kept = batch(), batch()
    returned.halted = True
    dispatcher.take(returned)
    dispatcher.take(kept)

    await turns(lambda: work.begun)
    assert work.begun == [kept]


async def test_work_that_keeps_failing_ends_when_its_batch_is_given_back_and_the_partition_goes_on(
    dispatcher: Dispatcher, work: Work
) -> None:
    returned, kept = batch(), batch()
    work.trouble = [RuntimeError("always")] * 3
    dispatcher.take(returned)
    await turns(lambda: work.begun)

    returned.halted = True
    work.trouble.clear()
    work.trouble.append(RuntimeError("still"))
    dispatcher.take(kept)

    await turns(lambda: kept in work.begun)


async def test_until_done_gives_back_what_the_work_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.0)
    results = iter([RuntimeError(), "done"])

    async def work() -> str:
        if isinstance(result := next(results), Exception):
            raise result
        return str(result)

    assert await until_done("work", batch(), work) == "done"


async def test_until_done_says_that_a_batch_was_given_back() -> None:
    returned = batch()
    returned.halted = True

    async def work() -> None:
        raise RuntimeError

    with pytest.raises(GivenBack):
        await until_done("work", returned, work)


async def test_until_done_does_not_go_on_when_it_is_cancelled() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await until_done("work", batch(), work)


async def test_a_task_that_dies_is_heard_and_one_that_was_given_back_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die(of: Exception) -> None:
        raise of

    tasks = Tasks()
    tasks.spawn(die(ValueError("unforeseen")))
    tasks.spawn(die(GivenBack()))

    await turns(lambda: not tasks._tasks)
    assert [one.message for one in caplog.records] == ["task.died"]


async def test_cancelled_tasks_are_gone_when_cancel_returns() -> None:
    tasks = Tasks()
    tasks.spawn(asyncio.sleep(60))

    await tasks.cancel()

    assert not tasks._tasks
