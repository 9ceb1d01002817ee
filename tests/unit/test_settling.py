"""Outcomes are written together, and a record is done only when its own is durable."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from streams import dispatch
from streams import settling as settling_room
from streams.clock import steady
from streams.dispatch import Tasks
from streams.flight import Batch, Partition, Record
from streams.settle import Stray
from streams.settling import Ended, Settling
from streams.standing import Standing


class Settler:
    """Writes what it is given, unless one of it is broken; every `write` waits for the test's word."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.broken: set[str] = set()
        self.elsewhere: set[str] = set()  #: what goes to another topic, too, which takes nothing
        self.free = asyncio.Event()

    def topics(self, ends: Sequence[Stray]) -> frozenset[str]:
        return frozenset({"elsewhere"} if self.elsewhere & {end.why for end in ends} else ())

    async def settle(self, ends: Sequence[Stray]) -> None:
        if self.elsewhere & {end.why for end in ends}:
            await asyncio.sleep(60)
        self.asked.append([end.why for end in ends])
        await self.free.wait()
        if self.broken & {end.why for end in ends}:
            raise RuntimeError("unforeseen")


@pytest.fixture
def settler() -> Settler:
    return Settler()


@pytest.fixture
def settling(settler: Settler) -> Settling:
    there: Any = settler
    return Settling(there, Tasks())


def batch(topic: str, count: int, standing: Standing | None = None) -> Batch:
    records = [Record(topic, 0, offset, 0, None, b"{}", ()) for offset in range(count)]
    made = Batch(Partition(topic, 0), records, *[standing] if standing else [])
    made.begin(count)
    return made


def ended(of: Batch, index: int) -> Ended:
    record = of.records[index]
    return Ended(of, range(index, index + 1), [Stray(record, f"{record.topic}-{index}")])


async def test_what_comes_within_a_moment_is_written_at_once_and_then_done(
    settling: Settling, settler: Settler
) -> None:
    one, two = batch("one", 2), batch("two", 1)
    settling.take(ended(one, 1))
    settling.take(ended(two, 0))
    settling.take(ended(one, 0))
    await asyncio.sleep(0.05)
    assert settler.asked == [["one-1", "two-0", "one-0"]]
    assert (one.prefix, two.prefix) == (0, 0)

    settler.free.set()
    await asyncio.sleep(0.01)
    assert (one.prefix, two.prefix) == (2, 1)


async def test_what_may_be_late_waits_longer_for_others_and_for_none_of_the_rest(
    settling: Settling, settler: Settler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_room, "GATHER_LATE_S", 0.2)
    settler.free.set()
    refused, delivered = batch("refused", 2), batch("delivered", 1)
    settling.take(ended(refused, 0), late=True)
    settling.take(ended(delivered, 0))
    await asyncio.sleep(0.1)
    assert settler.asked == [["delivered-0"]]

    settling.take(ended(refused, 1), late=True)
    await asyncio.sleep(0.2)
    assert settler.asked == [["delivered-0"], ["refused-0", "refused-1"]]
    assert refused.complete


async def test_a_drain_does_not_wait_for_what_may_be_late(
    settling: Settling, settler: Settler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling_room, "GATHER_LATE_S", 60.0)
    settler.free.set()
    of = batch("refused", 2)
    settling.take(ended(of, 0), late=True)
    settling.begin_all()
    of.halted = True
    settling.take(ended(of, 1), late=True)
    await asyncio.sleep(0.1)
    assert of.complete


async def test_nothing_is_written_once_it_is_closed(settling: Settling, settler: Settler) -> None:
    settler.free.set()
    settling.take(ended(batch("one", 1), 0))
    settling.close()
    await asyncio.sleep(0.05)
    assert settler.asked == []


async def test_a_topic_that_takes_nothing_holds_up_only_what_goes_there(
    settling: Settling, settler: Settler
) -> None:
    delivered, retried = batch("delivered", 1), batch("retried", 1)
    settler.elsewhere = {"retried-0"}
    settler.free.set()
    settling.take(ended(retried, 0))
    settling.take(ended(delivered, 0))
    await asyncio.sleep(0.05)
    assert (delivered.prefix, retried.prefix) == (1, 0)


async def test_one_outcome_that_fails_holds_up_itself_alone(
    settling: Settling, settler: Settler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.01)
    of = batch("one", 3)
    settler.broken = {"one-1"}
    settler.free.set()
    for index in range(3):
        settling.take(ended(of, index))
    await asyncio.sleep(0.05)
    assert (of.prefix, of.in_flight) == (1, 1)

    settler.broken = set()
    await asyncio.sleep(0.1)
    assert of.complete


async def test_what_may_be_somebody_elses_is_not_written_and_keeps_nobody_waiting(
    settling: Settling, settler: Settler
) -> None:
    doubtful = Standing(10.0)
    doubtful.heard(steady() - 3600)
    ours, whose = batch("ours", 1), batch("whose", 1, doubtful)
    settler.free.set()
    settling.take(ended(whose, 0))
    settling.take(ended(ours, 0))
    await asyncio.sleep(0.05)
    assert (ours.prefix, whose.prefix) == (1, 0)
    assert settler.asked == [["ours-0"]]

    doubtful.heard(steady())
    await asyncio.sleep(0.15)
    assert whose.complete


async def test_what_is_somebody_elses_is_never_written(settling: Settling, settler: Settler) -> None:
    standing = Standing(10.0)
    standing.heard(steady())
    lost = batch("lost", 1, standing)
    settler.free.set()
    settling.take(ended(lost, 0))
    standing.expelled()
    await asyncio.sleep(0.1)
    assert lost.prefix == 0
    assert "lost-0" not in [why for asked in settler.asked for why in asked]
