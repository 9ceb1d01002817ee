"""What the consumer's thread takes from aiokafka, without a broker."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from streams.fetch import ConsumerThread, fetch_wait_ms, hold_up_nobody, positions

TP = ("deliver.one", 0)


class Fetcher:
    """aiokafka's, as far as our thread uses it."""

    def __init__(self) -> None:
        self.there: dict[Any, list[int]] = {}
        self.position = 0
        self._closed = False
        self._records: dict[Any, Any] = {}
        self._subscriptions = SimpleNamespace(fetch_context=contextlib.nullcontext)
        self._waiters: set[asyncio.Future[None]] = set()

    def arrive(self, *offsets: int) -> None:
        self.there = {TP: list(offsets)}
        for waiter in list(self._waiters):
            waiter.set_result(None)

    async def fetched_records(self, wanted: Any, timeout: float, max_records: int) -> dict[Any, list[int]]:
        found, self.there = self.there, {}
        self.position = max([self.position, *(offset + 1 for found_ in found.values() for offset in found_)])
        return found

    def _create_fetch_waiter(self) -> "asyncio.Future[None]":
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


@pytest.fixture
def consumer() -> SimpleNamespace:
    """Faust's consumer on the main thread."""
    return SimpleNamespace(flow_active=True, overtaken=False)


@pytest.fixture
def fetch(fetcher: Fetcher, consumer: SimpleNamespace) -> Any:
    thread = ConsumerThread.__new__(ConsumerThread)
    thread.consumer = consumer
    aiokafka = SimpleNamespace(
        _fetcher=fetcher,
        _closed=False,
        _subscription=SimpleNamespace(subscription=None, reassignment_in_progress=False),
    )

    def fetch(timeout: float) -> Any:
        thread.thread_loop = asyncio.get_running_loop()
        return thread._fetch_records(aiokafka, {TP}, timeout, 500)

    fetch.thread = thread  # type: ignore[attr-defined]
    return fetch


async def test_records_that_come_while_a_fetch_waits_are_given_to_it(fetch: Any, fetcher: Fetcher) -> None:
    asyncio.get_running_loop().call_later(0.01, fetcher.arrive, 7, 8)

    assert await fetch(5.0) == {TP: [7, 8]}


async def test_a_fetch_that_brings_nothing_ends_in_time_and_leaves_no_waiter(
    fetch: Any, fetcher: Fetcher
) -> None:
    assert await fetch(0.01) == {}
    await asyncio.sleep(0)
    assert not fetcher._waiters


async def test_a_fetch_from_before_a_rebalance_takes_no_records_from_after_it(
    fetch: Any, fetcher: Fetcher, consumer: SimpleNamespace
) -> None:
    # They would be dropped, being of another generation, and the position would stand behind them: lost.
    asked_before = asyncio.ensure_future(fetch(5.0))
    await asyncio.sleep(0)
    consumer.overtaken = True

    fetcher.arrive(7, 8)

    assert await asked_before == {}
    assert fetcher.position == 0
    consumer.overtaken = False
    assert await fetch(5.0) == {TP: [7, 8]}


async def test_a_window_that_has_room_again_ends_the_wait_of_a_fetch(fetch: Any, fetcher: Fetcher) -> None:
    # What was fetched for it may lie ready, and nothing else would come to wake the fetch.
    waiting = asyncio.ensure_future(fetch(5.0))
    await asyncio.sleep(0.01)
    fetcher.there = {TP: [7]}

    fetch.thread.look_again()

    async with asyncio.timeout(1):
        assert await waiting == {TP: [7]}


async def test_a_window_that_has_room_again_just_before_a_fetch_waits_is_not_missed(
    fetch: Any, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_nothing = fetcher.fetched_records

    async def nothing_yet(*_: Any, **__: Any) -> dict[Any, list[int]]:
        monkeypatch.setattr(fetcher, "fetched_records", found_nothing)
        fetch.thread.look_again()
        fetcher.there = {TP: [7]}
        return {}

    monkeypatch.setattr(fetcher, "fetched_records", nothing_yet)

    async with asyncio.timeout(1):
        assert await fetch(5.0) == {TP: [7]}


def test_positions_are_noted_of_what_was_fetched_and_no_others() -> None:
    # Of all partitions, before each fetch, they cost milliseconds where there are thousands.
    states = {TP: SimpleNamespace(position=7, has_valid_position=True), ("gone", 0): None}
    assignment = SimpleNamespace(state_value=states.get)
    subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    assert positions(SimpleNamespace(_subscription=subscription), [TP, ("gone", 0)]) == {TP: 7}


def test_what_lies_ready_for_a_full_window_does_not_keep_the_fetcher_waiting() -> None:
    # Given records for a partition with room, and for one without
    noticed: list[object] = []
    ready, full = SimpleNamespace(_backoff=0.005), SimpleNamespace(_backoff=0.005)
    fetcher = SimpleNamespace(
        _records={TP: ready, ("deliver.dead", 0): full},
        _notify=noticed.append,
        _wait_consume_future="consumed",
    )

    for _ in range(2):
        hold_up_nobody(fetcher, {TP})

    # Then only those that will be taken are waited for, and the fetcher is told once
    assert (ready._backoff, full._backoff) == (0.005, 0)
    assert noticed == ["consumed"]


def test_a_fetch_for_thousands_of_partitions_waits_longer() -> None:
    assert [fetch_wait_ms(count) for count in (1, 100, 4_000)] == [10, 10, 400]
