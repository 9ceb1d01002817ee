"""The transport on Faust's own consumer object, without a broker."""

import asyncio
import inspect
from collections.abc import Callable, Container, Iterator
from typing import Any

import faust
import pytest
from aiokafka.errors import IllegalStateError
from faust.transport import by_url
from faust.transport.consumer import Consumer as StockConsumer
from faust.transport.consumer import Fetcher as StockFetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import transport
from streams.clock import steady
from streams.flight import Partition, Record, Window

Make = Callable[..., Any]
ONE, TWO = TP("deliver.one", 0), TP("delay.1m", 0)


class App(faust.App):
    drain_s = 0.2

    def window(self, topic: str) -> Window:
        return Window(1 if topic.startswith("delay") else 2)

    def agent_of(self, topic: str) -> str:
        return topic.partition(".")[0]

    def hurry(self) -> None:
        """Nothing is held to be written later."""


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Makes consumers; the event loop that each keeps for its thread is closed at the end."""
    made: list[Any] = []

    def make_one(cls: type = transport.Consumer) -> Any:
        made.append(new_consumer(cls))
        return made[-1]

    yield make_one
    for consumer in made:
        consumer._thread.thread_loop.close()


def new_consumer(cls: type) -> Any:
    app = App("test", broker="batch://127.0.0.1:1", topic_allow_declare=False)
    app.finalize()

    async def callback(*_: Any) -> None: ...

    consumer = cls(app.transport, callback, callback, callback)
    consumer.fetches = []
    consumer.log_of_commits = []

    async def commit(offsets: dict[TP, int]) -> bool:
        consumer.log_of_commits.append(dict(offsets))
        return True

    consumer._commit = commit
    consumer._set_active_tps({ONE, TWO})
    if isinstance(consumer, transport.Consumer):
        consumer.standing.heard(steady())
    consumer.resume_flow()
    return consumer


def records(tp: TP, *offsets: int) -> list[Record]:
    return [Record(tp.topic, tp.partition, offset, 0, None, b"{}", ()) for offset in offsets]


def feed(consumer: Any, *fetches: dict[TP, list[Any]]) -> None:
    """What the broker gives, fetch by fetch: of the partitions that are asked for."""
    queue = list(fetches)

    async def getmany(active: Container[TP], timeout: float) -> dict[TP, list[Any]]:
        consumer.fetches.append({tp for tp in (ONE, TWO) if tp in active})
        found = queue.pop(0) if queue else {}
        return {tp: batch for tp, batch in found.items() if tp in active}

    consumer._getmany = getmany


async def drained(consumer: Any) -> list[Any]:
    return [message async for _, message in consumer.getmany(0.01)]


def test_faust_finds_the_transport_by_its_entry_point() -> None:
    assert by_url("batch://a:9092") is transport.Transport


async def test_one_message_carries_the_whole_batch_of_a_partition(make: Make) -> None:
    consumer = make()
    feed(consumer, {ONE: records(ONE, 4, 5, 6)})

    (message,) = await drained(consumer)

    assert (message.tp, message.offset, len(message.batches[0].records)) == (ONE, 4, 3)
    assert message.tracked  # else Faust waits for its ack when it stops


async def test_small_batches_for_one_agent_are_one_message(make: Make) -> None:
    # Faust's stream takes one message a turn of the loop: the last of many would wait for many turns.
    consumer, other = make(), TP("deliver.two", 3)
    feed(consumer, {ONE: records(ONE, 4, 5), TWO: records(TWO, 9), other: records(other, 7)})
    consumer._set_active_tps({ONE, TWO, other})

    delivered, delayed = await drained(consumer)

    assert [(batch.tp, len(batch.records)) for batch in delivered.batches] == [(ONE, 2), (other, 1)]
    assert [batch.tp for batch in delayed.batches] == [TWO]
    assert (delivered.tp, delayed.tp) == (ONE, TWO)
    assert len(consumer.flights.of(Partition(*other))) == 1


async def test_large_batches_are_a_message_each(make: Make) -> None:
    # What begins in one turn of the loop is under way at once: of a thousand destinations, all of them.
    consumer, other, third = make(), TP("deliver.two", 3), TP("deliver.two", 4)
    consumer._set_active_tps({ONE, other, third})
    feed(
        consumer, {ONE: records(ONE, *range(40)), other: records(other, *range(11)), third: records(third, 1)}
    )

    messages = await drained(consumer)

    assert [[batch.tp for batch in message.batches] for message in messages] == [[ONE], [other, third]]


async def test_a_partition_whose_window_is_full_is_not_fetched_and_others_are(make: Make) -> None:
    consumer = make()
    feed(
        consumer,
        {ONE: records(ONE, 1), TWO: records(TWO, 1)},
        {ONE: records(ONE, 2)},
        {},
        {TWO: records(TWO, 2)},
    )

    first = await drained(consumer)
    await drained(consumer)
    await drained(consumer)

    assert consumer.fetches == [{ONE, TWO}, {ONE}, set()]
    next(message for message in first if message.tp == TWO).batches[0].done_all()
    await drained(consumer)
    assert consumer.fetches[-1] == {TWO}


async def test_records_fetched_for_a_partition_that_is_waiting_are_not_dropped(make: Make) -> None:
    # Stock: pause_partitions while a fetch is being drained drops its records and later commits past them.
    consumer = make()
    feed(consumer, {ONE: records(ONE, 1, 2, 3)}, {ONE: records(ONE, 4)})
    (held,) = await drained(consumer)

    (after,) = await drained(consumer)
    after.batches[0].done_all()
    await consumer.force_commit()
    assert consumer.log_of_commits == []

    held.batches[0].done_all()
    await consumer.force_commit()
    assert consumer.log_of_commits == [{ONE: 5}]


async def test_what_is_fetched_across_a_rebalance_is_not_given_to_anybody(make: Make) -> None:
    consumer = make()

    async def getmany(active: Container[TP], timeout: float) -> dict[TP, list[Any]]:
        consumer.stop_flow()
        consumer.resume_flow()
        return {ONE: records(ONE, 1)}

    consumer._getmany = getmany

    assert await drained(consumer) == []
    assert not consumer.flights.of(Partition(*ONE))


class Fetcher:
    """Stops when there is nothing more to fetch."""

    should_stop = False


async def handed_on(consumer: Any, *fetches: dict[TP, list[Any]], callback: Any) -> None:
    """All of these go to the callback."""
    fetcher = Fetcher()
    queue = list(fetches)

    async def getmany(active: Container[TP], timeout: float) -> dict[TP, list[Any]]:
        fetcher.should_stop = len(queue) == 1
        return queue.pop(0)

    consumer._getmany, consumer.callback = getmany, callback
    async with asyncio.timeout(5):
        await consumer._drain_messages(fetcher)


async def test_what_is_fetched_together_is_handed_on_in_one_turn_of_the_loop(make: Make) -> None:
    consumer, got, turns = make(), [], []
    consumer.app.flow_control.resume()
    loop = asyncio.get_running_loop()
    count = 0

    def turn() -> None:
        nonlocal count
        count += 1
        loop.call_soon(turn)

    async def callback(message: Any) -> None:
        got.append((message.tp, message.offset))
        turns.append(count)

    loop.call_soon(turn)
    both = {ONE: records(ONE, 1, 2), TWO: records(TWO, 7)}
    await handed_on(consumer, both, {ONE: records(ONE, 3)}, callback=callback)

    assert got == [(ONE, 1), (TWO, 7), (ONE, 3)]
    assert turns[0] == turns[1] < turns[2]


async def test_what_meets_a_rebalance_on_its_way_to_an_agent_waits_for_its_end_or_the_next(
    make: Make,
) -> None:
    consumer, begun, got = make(), [], []
    consumer.app.flow_control.suspend()

    async def callback(message: Any) -> None:
        begun.append(message.offset)
        if message.offset == 1:
            consumer.stop_flow()  # the next one, which has this one dropped
        await consumer.app.flow_control.acquire()
        got.append(message.offset)

    handing = asyncio.ensure_future(
        handed_on(consumer, {ONE: records(ONE, 1)}, {ONE: records(ONE, 2)}, callback=callback)
    )
    await asyncio.sleep(0.05)
    assert begun == [1]
    consumer.resume_flow()
    await asyncio.sleep(0.05)
    assert begun == [1, 2]
    consumer.app.flow_control.resume()
    await handing

    assert got == [2]


async def test_a_stop_during_a_rebalance_is_no_crash(make: Make) -> None:
    consumer = make()
    app = consumer.app
    app._consumer, app.rebalancing = consumer, True
    consumer.stop_flow()
    app.flow_control.suspend()
    fetcher = StockFetcher(app, loop=app.loop, beacon=app.beacon)
    await fetcher.start()
    await asyncio.sleep(0.05)

    app._stopped.set()
    await fetcher.stop()

    assert not any(one._crashed.is_set() for one in (app, consumer, fetcher))


async def test_who_is_given_nothing_to_read_does_not_look_for_it_without_a_pause(make: Make) -> None:
    consumer = make()
    began = asyncio.get_running_loop().time()
    assert await consumer._getmany(set(), 0.1) == {}
    assert asyncio.get_running_loop().time() - began >= 0.09


async def test_a_rebalance_that_is_over_does_not_resume_the_flow_for_the_next_one(make: Make) -> None:
    consumer = make()
    consumer.stop_flow()
    await consumer.drain()

    consumer.resume_flow()

    assert not consumer.flow_active


async def test_going_back_to_what_is_committed_does_not_resume_for_a_rebalance_that_came_between(
    make: Make,
) -> None:
    consumer = make()

    async def seek_to_committed() -> dict[TP, int]:
        consumer.app.consumer_generation_id += 1
        return {}

    consumer.seek_to_committed = seek_to_committed

    with pytest.raises(IllegalStateError):  # which Faust takes for: the next one resumes
        await consumer.perform_seek()


async def test_a_failed_commit_is_tried_again(make: Make) -> None:
    consumer = make()
    feed(consumer, {ONE: records(ONE, 1)})
    (message,) = await drained(consumer)
    message.batches[0].done_all()
    real, consumer._commit = consumer._commit, lambda offsets: asyncio.sleep(0, False)

    assert not await consumer.force_commit()
    consumer._commit = real
    assert await consumer.force_commit()
    assert consumer.log_of_commits == [{ONE: 2}]


async def test_a_drain_waits_for_what_was_begun_and_commits_it(make: Make) -> None:
    consumer = make()
    feed(consumer, {ONE: records(ONE, 1, 2, 3)})
    (message,) = await drained(consumer)
    message.batches[0].begin(2)
    asyncio.get_running_loop().call_later(0.05, message.batches[0].done, 0)
    asyncio.get_running_loop().call_later(0.06, message.batches[0].done, 1)

    await consumer.drain()

    assert consumer.draining.is_set()
    assert message.batches[0].halted
    assert consumer.log_of_commits == [{ONE: 3}]


async def test_one_that_was_expelled_neither_waits_nor_commits_when_it_gives_back(make: Make) -> None:
    consumer = make()
    feed(consumer, {ONE: records(ONE, 1, 2)})
    (message,) = await drained(consumer)
    message.batches[0].begin(2)
    message.batches[0].done(0)
    consumer.app.drain_s = 60

    consumer.standing.expelled()
    async with asyncio.timeout(1):
        await consumer.drain()

    assert not await consumer.force_commit()
    assert consumer.log_of_commits == []


async def test_while_nobody_can_tell_whose_they_are_no_partition_is_fetched(make: Make) -> None:
    consumer = make()
    consumer.standing._heard_at -= 3600
    feed(consumer, {ONE: records(ONE, 1)})

    assert await drained(consumer) == []
    assert consumer.fetches == [set()]


async def test_a_drain_is_bounded_when_a_request_hangs(make: Make) -> None:
    consumer = make()
    feed(consumer, {ONE: records(ONE, 1, 2)})
    (message,) = await drained(consumer)
    message.batches[0].begin(2)
    message.batches[0].done(0)
    began = asyncio.get_running_loop().time()

    await consumer.drain()

    assert 0.15 < asyncio.get_running_loop().time() - began < 2
    assert consumer.log_of_commits == [{ONE: 2}]


async def test_a_topic_that_was_made_anew_is_read_from_its_start(make: Make) -> None:
    # Stock drops every message below the highest offset it has seen.
    consumer = make()
    consumer._read_offset[ONE] = 1000

    assert consumer._read_offset[ONE] is None


# -- what is read, and when it ends ----------------------------------------------------------------


class Source:
    """What the transport asks of its inflow."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.found: dict[TP, list[Any]] = {}

    async def begin(self, partitions: set[TP]) -> dict[tuple[str, int], int]:
        self.calls.append(("begin", set(partitions)))
        return {(ONE.topic, ONE.partition): 7}

    def end(self) -> None:
        self.calls.append("end")

    async def take(self, wanted: Container[TP], timeout: float) -> dict[TP, list[Any]]:
        return {tp: some for tp, some in self.found.items() if tp in wanted}

    def look_again(self, tp: Partition) -> None:
        self.calls.append(("look again", TP(*tp)))

    async def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def reading(make: Make, source: Source, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A consumer that reads from `source`; what Faust and aiokafka do at a rebalance is left out."""

    async def nothing(*_: Any) -> None: ...

    for name in ("on_partitions_revoked", "on_partitions_assigned", "on_stop"):
        monkeypatch.setattr(driver.Consumer, name, nothing)
    consumer = make()
    consumer.app.new_inflow = lambda: source
    consumer.assignment = lambda: {ONE, TWO}
    return consumer


async def test_what_is_assigned_is_read_from_what_is_committed_and_faust_is_told(
    reading: Any, source: Source
) -> None:
    await reading.perform_seek()

    assert source.calls == [("begin", {ONE, TWO})]
    assert reading._committed_offset[ONE] == 7


async def test_nothing_more_is_read_once_partitions_are_given_back_and_their_end_is_committed(
    reading: Any, source: Source
) -> None:
    await reading.perform_seek()
    source.found = {ONE: records(ONE, 1, 2)}
    (message,) = await drained(reading)
    message.batches[0].done_all()
    reading.draining.clear()

    await reading.on_partitions_revoked({ONE, TWO})

    assert reading.log_of_commits == [{ONE: 3}]
    assert source.calls[-1] == "end"


async def test_a_window_that_has_room_again_has_its_partition_looked_at(reading: Any, source: Source) -> None:
    await reading.perform_seek()
    source.found = {TWO: records(TWO, 1)}
    (message,) = await drained(reading)
    assert await drained(reading) == []

    message.batches[0].done_all()

    assert source.calls[-1] == ("look again", TWO)


async def test_what_the_coordinator_refuses_ends_the_next_fetch(reading: Any, source: Source) -> None:
    await reading.perform_seek()
    source.found = {ONE: records(ONE, 1)}

    reading.refused(RuntimeError("denied"))

    with pytest.raises(RuntimeError, match="denied"):
        await drained(reading)


async def test_a_stop_closes_what_it_reads_from_and_is_possible_before_anything_was_read(
    reading: Any, source: Source
) -> None:
    await reading.on_stop()
    assert source.calls == []

    await reading.perform_seek()
    await reading.on_stop()

    assert source.calls[-1] == "close"


# -- what we lean on -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "getmany", "force_commit", "perform_seek", "on_partitions_revoked", "on_partitions_assigned",
        "wait_empty", "ack", "_add_gap", "on_buffer_full", "on_buffer_drop", "verify_all_partitions_active",
        "_new_consumer_thread", "seek_to_committed", "stop_flow", "resume_flow", "on_stop", "_getmany",
        "_drain_messages",
    ],
)  # fmt: skip
def test_every_method_we_override_is_one_of_fausts(name: str) -> None:
    assert hasattr(driver.Consumer, name), f"faust-streaming no longer has Consumer.{name}"
    ours, theirs = getattr(transport.Consumer, name), getattr(driver.Consumer, name)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


# -- why: what stock Faust does -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("committed", "gap", "acked", "unfinished", "stock_commits"),
    [
        (None, (11, 20), [10, 21], 20, 22),  # the end of a gap is taken as finished
        (10, None, [11], 10, 12),  # the record at the committed offset is taken as finished
        (None, None, [5, 6], 0, 7),  # without a committed offset nothing is checked
    ],
)
async def test_stock_faust_commits_past_unfinished_records(
    make: Make,
    committed: int | None,
    gap: tuple[int, int] | None,
    acked: list[int],
    unfinished: int,
    stock_commits: int,
) -> None:
    consumer = make(type("Stock", (driver.Consumer,), {}))
    consumer._committed_offset[ONE] = committed
    if gap:
        await StockConsumer._add_gap(consumer, ONE, *gap)
    consumer._acked[ONE] = acked

    assert StockConsumer._new_offset(consumer, ONE) == stock_commits > unfinished
