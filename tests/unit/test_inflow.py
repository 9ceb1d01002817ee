"""What is read of the partitions that we are given, on a librdkafka by script."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException

from streams import backlog, inflow, reader
from streams.backlog import (
    ENOUGH,
    ENOUGH_FOR_NOTHING,
    FAR_TOO_MUCH,
    FEW,
    FEW_FOR_NOTHING,
    HEADER_BYTES,
    MOST,
    RECORD_BYTES,
    Backlog,
)
from streams.flight import Record
from streams.inflow import MOST_AT_ONCE, PLENTY_OF_FETCHES, Inflow
from tests.unit.librdkafka import Librdkafka, Message, Where, failure, records

ONE, TWO = ("deliver.one", 0), ("deliver.two", 0)
BOTH = {ONE, TWO}


@pytest.fixture
def unwell() -> set[str]:
    """The topics of destinations that take nothing."""
    return set()


@pytest.fixture
async def source(monkeypatch: pytest.MonkeyPatch, unwell: set[str]) -> AsyncIterator[Inflow]:
    for module in (inflow, reader):
        monkeypatch.setattr(module, "Consumer", Librdkafka)
    Librdkafka.begin()
    made = Inflow({"client.id": "test"}, "group", unwell=lambda: unwell)
    yield made
    await made.close()


@pytest.fixture
def kafka(source: Inflow) -> Librdkafka:
    """The client that reads."""
    return Librdkafka.made[0]


@pytest.fixture
async def given(source: Inflow) -> Inflow:
    """With both partitions."""
    await source.begin(BOTH)
    return source


async def taken(source: Inflow, wanted: Iterable[Where] = BOTH, timeout: float = 0) -> dict[Any, list[int]]:
    found = await source.take(set(wanted), timeout)
    return {tuple(tp): [record.offset for record in some] for tp, some in found.items()}


async def all_taken(source: Inflow, wanted: Iterable[Where] = BOTH) -> dict[Any, list[int]]:
    """What comes of them until nothing more comes."""
    found: dict[Any, list[int]] = {}
    while some := await taken(source, wanted):
        for tp, offsets in some.items():
            found.setdefault(tp, []).extend(offsets)
    return found


async def read_in(source: Inflow) -> None:
    """Have all that arrived lie here."""
    for _ in range(20):
        assert await taken(source, ()) == {}


# -- which partitions ------------------------------------------------------------------------------


async def test_each_partition_begins_at_what_is_committed_or_at_its_beginning(
    source: Inflow, kafka: Librdkafka
) -> None:
    Librdkafka.committed_offsets = {ONE: 42}

    assert await source.begin(BOTH) == {ONE: 42}

    assert kafka.assigned == {ONE: 42, TWO: OFFSET_BEGINNING}


async def test_what_was_committed_at_offset_zero_is_no_less_committed(
    source: Inflow, kafka: Librdkafka
) -> None:
    Librdkafka.committed_offsets = {ONE: 0}

    assert await source.begin([ONE]) == {ONE: 0}

    assert kafka.assigned == {ONE: 0}


async def test_one_that_is_given_nothing_reads_nothing(given: Inflow, kafka: Librdkafka) -> None:
    assert await given.begin([]) == {}
    assert kafka.assigned == {}


async def test_what_is_committed_is_asked_by_a_client_that_nobody_else_waits_for(
    given: Inflow, kafka: Librdkafka
) -> None:
    _, asking = Librdkafka.made
    assert asking.closed
    assert not kafka.closed


async def test_an_answer_that_passes_is_asked_for_again(
    source: Inflow, kafka: Librdkafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    Librdkafka.committed_offsets = {ONE: 42}
    Librdkafka.answers = [KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))]

    assert await source.begin([ONE]) == {ONE: 42}


async def test_without_an_answer_nothing_is_read(source: Inflow, kafka: Librdkafka) -> None:
    # From the beginning, say: that would deliver everything again.
    Librdkafka.answers = [KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))]

    with pytest.raises(KafkaException):
        await source.begin([ONE])

    assert kafka.assigned == {}


@pytest.mark.parametrize("next_partitions", [None, [TWO]])
async def test_an_assignment_that_was_overtaken_assigns_nothing(
    source: Inflow, kafka: Librdkafka, monkeypatch: pytest.MonkeyPatch, next_partitions: list[Where] | None
) -> None:
    # Given one that waits for what is committed
    answer = threading.Event()
    ask = Librdkafka.committed

    def late(self: Librdkafka, partitions: Any, timeout: float) -> Any:
        if partitions[0].topic == ONE[0]:
            assert answer.wait(5)
        return ask(self, partitions, timeout)

    monkeypatch.setattr(Librdkafka, "committed", late)
    first = asyncio.ensure_future(source.begin([ONE]))
    await asyncio.sleep(0.01)

    # When the partitions are given back, or others given, meanwhile
    source.end()
    if next_partitions:
        await source.begin(next_partitions)
    answer.set()
    await first

    # Then it comes too late
    assert set(kafka.assigned) == set(next_partitions or ())


async def test_what_lies_here_when_partitions_are_given_back_is_dropped(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, 1, 2))
    await read_in(given)

    given.end()
    kafka.arrive(*records(ONE, 3))

    assert await taken(given) == {}


async def test_what_comes_of_a_partition_that_is_not_ours_any_more_is_dropped(
    given: Inflow, kafka: Librdkafka
) -> None:
    await given.begin([TWO])

    kafka.arrive(*records(ONE, 3), *records(TWO, 4))

    assert await taken(given) == {TWO: [4]}


async def test_a_look_that_was_under_way_takes_nothing_of_the_next_assignment(
    given: Inflow, kafka: Librdkafka
) -> None:
    # Whoever asked would drop them, being asked before a rebalance, and nobody would go back for them.
    looking = asyncio.ensure_future(taken(given, timeout=5))
    await asyncio.sleep(0.01)

    await given.begin([ONE])
    kafka.arrive(*records(ONE, 0, 1))

    async with asyncio.timeout(1):
        assert await looking == {}
    assert await taken(given) == {ONE: [0, 1]}


async def test_a_look_that_is_cancelled_has_taken_nothing(given: Inflow, kafka: Librdkafka) -> None:
    looking = asyncio.ensure_future(taken(given, [TWO], timeout=5))
    kafka.arrive(*records(ONE, 1))
    await asyncio.sleep(0.01)
    looking.cancel()
    kafka.arrive(*records(ONE, 2), *records(TWO, 7))

    given.look_again(ONE)
    assert await taken(given) == {ONE: [1, 2], TWO: [7]}


# -- what there is ---------------------------------------------------------------------------------


async def test_records_come_in_order_and_of_a_partition_no_more_than_a_batch_at_once(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, *range(MOST + 1)), *records(TWO, 7))

    assert await taken(given) == {ONE: list(range(MOST)), TWO: [7]}
    assert await taken(given) == {ONE: [MOST]}
    assert await taken(given) == {}


async def test_a_backlog_that_comes_in_many_looks_is_handed_out_whole(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, *range(3 * MOST_AT_ONCE + 7)), *records(TWO, *range(10)))

    assert await all_taken(given) == {ONE: list(range(3 * MOST_AT_ONCE + 7)), TWO: list(range(10))}


async def test_records_that_come_while_somebody_waits_are_given_to_him(
    given: Inflow, kafka: Librdkafka
) -> None:
    asyncio.get_running_loop().call_later(0.02, kafka.arrive, *records(ONE, 7, 8))

    async with asyncio.timeout(1):
        assert await taken(given, timeout=30) == {ONE: [7, 8]}


async def test_a_wait_for_nothing_ends_in_time(given: Inflow) -> None:
    async with asyncio.timeout(1):
        assert await taken(given, timeout=0.02) == {}


async def test_what_lies_here_for_a_full_window_does_not_stand_before_anothers(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, *range(10)), *records(TWO, 3))
    assert await taken(given, [TWO]) == {TWO: [3]}

    kafka.arrive(*records(TWO, 4))

    assert await taken(given, [TWO]) == {TWO: [4]}


async def test_a_window_that_has_room_ends_a_wait(given: Inflow, kafka: Librdkafka) -> None:
    kafka.arrive(*records(ONE, 1))
    wanted: set[Where] = set()
    waiting = asyncio.ensure_future(given.take(wanted, 30))
    await asyncio.sleep(0.02)

    wanted.add(ONE)
    given.look_again(ONE)

    async with asyncio.timeout(0.5):
        assert [record.offset for record in (await waiting)[ONE]] == [1]  # type: ignore[index]


async def test_a_window_that_had_room_before_anything_came_needs_no_second_word(
    given: Inflow, kafka: Librdkafka
) -> None:
    given.look_again(ONE)
    kafka.arrive(*records(ONE, 1))

    assert await taken(given) == {ONE: [1]}


async def test_what_is_wanted_again_without_a_word_is_found_all_the_same(
    given: Inflow, kafka: Librdkafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As when a heartbeat has come: nobody's window has got room, and everything is wanted.
    monkeypatch.setattr(inflow, "ALL_S", 0.05)
    kafka.arrive(*records(ONE, 1))
    await read_in(given)

    async with asyncio.timeout(1):
        assert await taken(given, timeout=30) == {ONE: [1]}


async def test_a_topic_that_was_made_anew_is_read(given: Inflow, kafka: Librdkafka) -> None:
    kafka.arrive(*records(ONE, 100, 101))
    assert await taken(given) == {ONE: [100, 101]}

    kafka.arrive(*records(ONE, 0, 1))

    assert await taken(given) == {ONE: [0, 1]}


@pytest.mark.parametrize("broken_off", [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), SystemError("no")])
async def test_a_record_whose_header_names_are_not_utf8_comes_without_headers(
    given: Inflow, kafka: Librdkafka, broken_off: Exception
) -> None:
    whole = Message(ONE, 2, headers=[("a", b"1")])
    kafka.arrive(Message(ONE, 1, value=b"kept", headers=broken_off), whole)

    found = (await given.take(BOTH, 0))[ONE]  # type: ignore[index]

    assert [(record.offset, list(record.headers)) for record in found] == [(1, []), (2, [("a", b"1")])]
    assert found[0].value == b"kept"


# -- plenty ----------------------------------------------------------------------------------------


async def test_a_partition_of_which_plenty_lies_here_is_paused_once_and_goes_on_once(
    given: Inflow, kafka: Librdkafka
) -> None:
    # Given one whose window is full, and another's that is not
    kafka.arrive(*records(ONE, *range(2 * ENOUGH)), *records(TWO, *range(10)))

    # Then it is paused, but not before all that was fetched has been taken: a pause would throw it away
    await read_in(given)
    assert kafka.calls == [("pause", [ONE])]
    assert not kafka.arrived
    given.look_again(TWO)
    assert await taken(given, [TWO]) == {TWO: list(range(10))}

    # When more comes, and it is taken, until little is left
    kafka.arrive(*records(ONE, *range(2 * ENOUGH, 3 * ENOUGH)))
    given.look_again(ONE)
    lying, there = 2 * ENOUGH, []
    while lying >= FEW:
        assert kafka.calls == [("pause", [ONE])]
        there += (await taken(given, [ONE]))[ONE]
        lying -= MOST

    # Then it goes on, and nothing is missing
    assert kafka.calls == [("pause", [ONE]), ("resume", [ONE])]
    assert there + (await all_taken(given, [ONE]))[ONE] == list(range(3 * ENOUGH))


async def test_a_partition_of_which_far_too_much_comes_is_paused_before_all_is_taken(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, *range(2 * FAR_TOO_MUCH * ENOUGH)))

    await read_in(given)
    assert kafka.calls == [("pause", [ONE])]
    assert len(kafka.arrived) == FAR_TOO_MUCH * ENOUGH
    given.look_again(ONE)

    assert await all_taken(given) == {ONE: list(range(2 * FAR_TOO_MUCH * ENOUGH))}


async def test_of_records_with_many_headers_less_is_far_too_much(given: Inflow, kafka: Librdkafka) -> None:
    # A delayed record has ten: as many as of others were 20 MiB of each partition.
    most, each = PLENTY_OF_FETCHES * given.fetch_bytes, 10 * HEADER_BYTES
    kafka.arrive(*records(ONE, *range(FAR_TOO_MUCH * ENOUGH), headers=[("due", b"1")] * 10))

    await read_in(given)

    assert kafka.calls == [("pause", [ONE])]
    lying = FAR_TOO_MUCH * ENOUGH - len(kafka.arrived)
    assert lying < FAR_TOO_MUCH * most / each + MOST_AT_ONCE


async def test_when_too_much_lies_here_in_all_plenty_is_far_too_much(
    given: Inflow, kafka: Librdkafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "ALL_BYTES", ENOUGH * RECORD_BYTES)
    kafka.arrive(*records(ONE, *range(2 * ENOUGH)))

    await read_in(given)
    assert kafka.calls == [("pause", [ONE])]
    assert len(kafka.arrived) == ENOUGH


async def test_what_was_handed_out_is_not_paused_any_more(given: Inflow, kafka: Librdkafka) -> None:
    # Given plenty of one, and so much of the other that nothing has to be paused
    kafka.arrive(*records(TWO, *range(ENOUGH)), *records(ONE, *range(ENOUGH)))
    await read_in(given)

    # When it is taken, and the other runs short
    given.look_again(TWO)
    given.look_again(ONE)
    there = await all_taken(given)
    assert {tp: len(some) for tp, some in there.items()} == {ONE: ENOUGH, TWO: ENOUGH}
    await read_in(given)

    assert kafka.calls == []


async def test_while_there_is_enough_of_all_nothing_more_is_taken_and_none_is_paused(
    given: Inflow, kafka: Librdkafka
) -> None:
    # librdkafka would ask a broker of which all is paused only up to a second after it is let go.
    for tp in (TWO, ONE):
        kafka.arrive(*records(tp, *range(ENOUGH // 2)))
    await read_in(given)
    for tp in (TWO, ONE):
        kafka.arrive(*records(tp, *range(ENOUGH // 2, 2 * ENOUGH)))
    await read_in(given)
    assert len(kafka.arrived) == 3 * ENOUGH
    assert kafka.calls == []

    # When one runs short, and there is plenty of the other
    there = []
    for _ in range(20):
        given.look_again(ONE)
        there += (await taken(given, [ONE])).get(ONE, [])

    # Then it comes, and the other waits for its window
    assert there == list(range(2 * ENOUGH))
    assert kafka.calls == [("pause", [TWO])]
    given.look_again(TWO)
    assert await all_taken(given) == {TWO: list(range(2 * ENOUGH))}


async def test_a_few_large_records_are_plenty(given: Inflow, kafka: Librdkafka) -> None:
    large = records(ONE, *range(4), value=b"x" * given.fetch_bytes)
    kafka.arrive(*large, *records(ONE, 4))

    await read_in(given)
    assert kafka.calls == [("pause", [ONE])]
    given.look_again(ONE)

    assert await all_taken(given) == {ONE: [0, 1, 2, 3, 4]}
    assert kafka.calls == [("pause", [ONE]), ("resume", [ONE])]


@pytest.mark.parametrize("count", [1, MOST + 1])
def test_keys_count_as_well(count: int) -> None:
    lying = Backlog(0)
    for offset in range(count):
        lying.add(Record(*ONE, offset, 0, b"key", b"value", ()))
    assert lying.bytes == 8 * count

    assert len(lying.cut()) == min(count, MOST)
    assert lying.bytes == 8 * max(0, count - MOST)


async def test_what_was_handed_out_does_not_count_as_plenty(given: Inflow, kafka: Librdkafka) -> None:
    # Two fetches' worth at a time, over and over; each a little more than a batch.
    size = 2 * given.fetch_bytes // (MOST + 1)
    for turn in range(10):
        kafka.arrive(*records(ONE, *range(turn * (MOST + 1), (turn + 1) * (MOST + 1)), value=b"x" * size))
        await all_taken(given)

    assert kafka.calls == []


async def test_of_a_destination_that_takes_nothing_little_is_plenty(
    source: Inflow, kafka: Librdkafka, unwell: set[str]
) -> None:
    unwell.add(ONE[0])
    await source.begin(BOTH)
    for tp in BOTH:
        kafka.arrive(*records(tp, *range(ENOUGH_FOR_NOTHING)))
    await read_in(source)
    assert kafka.calls == [("pause", [ONE])]

    source.look_again(ONE)
    assert len((await taken(source, [ONE]))[ONE]) == ENOUGH_FOR_NOTHING
    assert await taken(source) == {}
    assert kafka.calls == [("pause", [ONE]), ("resume", [ONE])]


async def test_of_those_that_take_nothing_a_few_partitions_at_a_time_go_on(
    source: Inflow, kafka: Librdkafka, unwell: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "APART_S", 3600)
    dead = [("deliver.one", number) for number in range(50)]
    unwell.add("deliver.one")
    await source.begin([*dead, TWO])
    for tp in dead:
        kafka.arrive(*records(tp, *range(ENOUGH_FOR_NOTHING)))
    await read_in(source)
    assert len(kafka.paused) == 50

    # When nothing is left of any
    for tp in dead:
        source.look_again(tp)
    assert set(await all_taken(source, dead)) == set(dead)
    assert await taken(source) == {}
    assert len(kafka.paused) == 50 - 3

    # When it takes something, the others go on at once
    unwell.clear()
    monkeypatch.setattr(source._lying._patient, "_at", 0.0)
    assert await taken(source) == {}
    assert not kafka.paused


async def test_one_that_goes_on_as_its_destination_is_well_does_not_wait_for_its_turn_as_well(
    source: Inflow, kafka: Librdkafka, unwell: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one that waits for its turn, of which some is left
    await source.begin(BOTH)
    unwell.add(ONE[0])
    kafka.arrive(*records(ONE, *range(MOST + FEW_FOR_NOTHING - 1)))
    await read_in(source)
    monkeypatch.setattr(source._lying._patient, "_at", float("inf"))
    source.look_again(ONE)
    assert len((await taken(source, [ONE]))[ONE]) == MOST

    # When its destination is well, the rest is taken, and then there is plenty
    unwell.clear()
    assert len((await taken(source, [ONE]))[ONE]) == FEW_FOR_NOTHING - 1
    kafka.arrive(*records(ONE, *range(ENOUGH)))
    await read_in(source)
    monkeypatch.setattr(source._lying._patient, "_at", 0.0)
    await read_in(source)
    assert kafka.calls == [("pause", [ONE]), ("resume", [ONE]), ("pause", [ONE])]


async def test_a_partition_that_was_paused_is_not_when_it_is_given_again(
    given: Inflow, kafka: Librdkafka
) -> None:
    # librdkafka keeps it paused through the next assignment: nobody would ever read it again.
    kafka.arrive(*records(ONE, *range(2 * ENOUGH)))
    await read_in(given)
    assert kafka.paused == {ONE}

    kafka.arrived.clear()
    await given.begin(BOTH)
    kafka.arrive(*records(ONE, 0, 1))

    assert await taken(given) == {ONE: [0, 1]}


async def test_the_more_partitions_there_are_the_less_is_fetched_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (inflow, reader):
        monkeypatch.setattr(module, "Consumer", Librdkafka)
    Librdkafka.begin()

    for partitions in (1, 1_000, 100_000):
        await Inflow({}, "group", partitions).close()

    sizes = [made.config["max.partition.fetch.bytes"] for made in Librdkafka.made]
    assert sizes == [reader.FETCH_BYTES, reader.ALL_FETCH_BYTES // 1_000, reader.LEAST_FETCH_BYTES]


# -- what goes wrong -------------------------------------------------------------------------------


async def test_an_error_that_passes_is_logged_and_reading_goes_on(
    given: Inflow, kafka: Librdkafka, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.arrive(*records(ONE, 1), failure(KafkaError.NOT_LEADER_FOR_PARTITION, ONE), *records(ONE, 2))

    with caplog.at_level(logging.WARNING, logger="streams.inflow"):
        assert await taken(given) == {ONE: [1, 2]}

    (line,) = caplog.messages
    assert line == "fetch.failed topic=deliver.one partition=0 error=NOT_LEADER_FOR_PARTITION"


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL])
async def test_what_is_denied_for_good_is_raised_again_and_again(
    given: Inflow, kafka: Librdkafka, code: int
) -> None:
    kafka.arrive(failure(code, ONE), *records(TWO, 1))

    for _ in range(2):
        with pytest.raises(KafkaException):
            await taken(given)


async def test_close_ends_a_wait_and_the_client(given: Inflow, kafka: Librdkafka) -> None:
    waiting = asyncio.ensure_future(taken(given, timeout=30))
    await asyncio.sleep(0.01)

    await given.close()

    async with asyncio.timeout(1):
        assert await waiting == {}
    assert kafka.closed
    kafka.closed = False  # for the fixture, which closes it once more


# -- a reader that stands still --------------------------------------------------------------------


async def test_a_new_reader_goes_on_where_the_old_one_stood(given: Inflow, kafka: Librdkafka) -> None:
    # Given one partition that was read up to 7, and another of which nothing has come
    kafka.arrive(*records(ONE, 5, 6))
    assert await taken(given) == {ONE: [5, 6]}

    # When the reader is replaced
    given.renew()

    # Then the new one reads on from there, and the old one is closed
    new = Librdkafka.made[-1]
    assert new.assigned == {ONE: 7, TWO: OFFSET_BEGINNING}
    kafka.arrive(*records(TWO, 0))
    new.arrive(*records(ONE, 7))
    assert await taken(given) == {ONE: [7]}
    await until(lambda: kafka.closed)


async def test_a_new_reader_leaves_what_lies_here_and_what_is_paused(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.arrive(*records(ONE, *range(ENOUGH)))
    await read_in(given)
    assert kafka.paused == {ONE}

    given.renew()

    new = Librdkafka.made[-1]
    assert new.paused == {ONE}
    assert new.assigned[ONE] == ENOUGH
    given.look_again(ONE)
    assert await all_taken(given) == {ONE: list(range(ENOUGH))}
    assert not new.paused


async def test_a_reader_of_nothing_is_replaced_by_one_of_nothing(source: Inflow) -> None:
    source.renew()

    assert Librdkafka.made[-1].assigned == {}


async def test_a_partition_starves_while_nothing_of_it_lies_here(given: Inflow, kafka: Librdkafka) -> None:
    kafka.arrive(*records(ONE, 5, 6))
    await read_in(given)
    assert given.starving[1] == {TWO: OFFSET_BEGINNING}

    given.look_again(ONE)
    assert await taken(given) == {ONE: [5, 6]}

    assert given.starving[1] == {ONE: 7, TWO: OFFSET_BEGINNING}


async def test_what_is_known_of_an_end_is_what_was_there_at_the_last_fetch(
    given: Inflow, kafka: Librdkafka
) -> None:
    kafka.ends[ONE] = 7

    assert given.seen_end(ONE) == 7
    assert given.seen_end(TWO) < 0
    assert given.seen_end(("deliver.other", 0)) < 0


async def test_a_reader_that_never_closes_does_not_hold_up_the_end(
    given: Inflow, kafka: Librdkafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(kafka, "close", ended.wait)
    monkeypatch.setattr(inflow, "CLOSE_S", 0.05)

    async with asyncio.timeout(2):
        await given.close()

    ended.set()


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not met():
            await asyncio.sleep(0.005)
