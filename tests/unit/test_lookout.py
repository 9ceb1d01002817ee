"""When a reader that brings nothing of what there is, is replaced."""

import asyncio
from collections.abc import Collection, Iterator, Mapping

import pytest
from confluent_kafka import OFFSET_BEGINNING

from streams.backlog import Place
from streams.lookout import ANSWER_S, LOOK_S, MOST_ASKED, MOST_LOOKS, Lookout
from tests.unit.virtual import VirtualLoop

ONE = ("deliver.one", 0)


class Reader:
    """One that stands still, unless a test lets it go on."""

    def __init__(self) -> None:
        self.all_taken_at = 0.0
        self.starving: tuple[int, dict[Place, int]] = (1, {ONE: 7})
        self.renewed = 0
        self.seen: dict[Place, int] = {}  #: what librdkafka knows of the ends

    def seen_end(self, place: Place) -> int:
        return self.seen.get(place, -1001)

    def renew(self) -> None:
        self.renewed += 1


class Brokers:
    def __init__(self) -> None:
        self.last: dict[Place, int] = {ONE: 9}
        self.asked: list[set[Place]] = []
        self.fails: Exception | None = None
        self.takes_s = 0.0

    async def ends(self, places: Collection[Place]) -> Mapping[Place, int]:
        self.asked.append(set(places))
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise self.fails
        return {place: self.last[place] for place in places if place in self.last}


class World:
    """A reader that is looked after; `empties` says whether librdkafka has nothing more for us."""

    def __init__(self) -> None:
        self.reader, self.brokers, self.empties = Reader(), Brokers(), True
        self.lookout = Lookout(self.brokers)
        self.loop = VirtualLoop()

    def looks(self, count: int) -> int:
        """How often the reader was replaced after so many looks."""
        self.loop.run_until_complete(self._look(count))
        return self.reader.renewed

    async def _look(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(LOOK_S)
            if self.empties:
                self.reader.all_taken_at = self.loop.time()
            await self.lookout.look(self.reader)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.loop.close()


def test_what_was_there_at_one_look_and_has_not_come_before_the_next_will_not_come(world: World) -> None:
    assert world.looks(1) == 0

    assert world.looks(1) == 1


def test_it_is_said_of_which_partition(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.looks(2)

    assert caplog.messages == ["reader.renewed topic=deliver.one partition=0 offset=7 end=9: nothing came"]


def test_a_partition_of_which_all_has_come_is_not_waited_for(world: World) -> None:
    world.brokers.last = {ONE: 7}

    assert world.looks(10) == 0


def test_one_of_which_something_comes_between_two_looks_is_well(world: World) -> None:
    for offset in range(7, 17):
        world.reader.starving = (1, {ONE: offset})
        world.brokers.last = {ONE: offset + 2}
        assert world.looks(1) == 0


def test_one_that_starves_now_and_then_is_well(world: World) -> None:
    for _ in range(5):
        world.reader.starving = (1, {ONE: 7})
        assert world.looks(1) == 0
        world.reader.starving = (1, {})
        assert world.looks(1) == 0


def test_while_librdkafka_has_more_for_us_it_may_be_among_it(world: World) -> None:
    world.empties = False

    assert world.looks(10) == 0
    assert not world.brokers.asked


def test_a_new_assignment_is_given_as_long_as_the_first(world: World) -> None:
    world.looks(1)

    world.reader.starving = (2, {ONE: 7})

    assert world.looks(1) == 0
    assert world.looks(1) == 1


@pytest.mark.parametrize(
    "starving", [(2, {ONE: 7}), (1, {ONE: 9})], ids=["there was a rebalance", "the records have come"]
)
def test_an_answer_that_comes_too_late_is_about_nothing(
    world: World, starving: tuple[int, dict[tuple[str, int], int]]
) -> None:
    world.looks(1)
    world.brokers.takes_s = 1.0

    world.loop.call_later(LOOK_S + 0.5, setattr, world.reader, "starving", starving)

    assert world.looks(1) == 0


@pytest.mark.parametrize("fails", [RuntimeError("no broker"), TimeoutError()])
def test_brokers_that_cannot_be_asked_are_asked_at_the_next_look(world: World, fails: Exception) -> None:
    world.brokers.fails = fails
    assert world.looks(5) == 0

    world.brokers.fails = None

    assert world.looks(2) == 1


def test_brokers_that_do_not_answer_are_not_waited_for(world: World) -> None:
    world.brokers.takes_s = ANSWER_S + 1

    assert world.looks(5) == 0


def test_nobody_is_asked_about_what_does_not_starve(world: World) -> None:
    world.reader.starving = (1, {})

    assert world.looks(5) == 0

    assert not world.brokers.asked


def test_a_new_reader_that_brings_nothing_either_is_replaced_less_and_less_often(world: World) -> None:
    replaced = [at for at in range(1, 30) if world.reader.renewed < world.looks(1)]

    assert replaced == [2, 5, 10, 19]
    assert world.looks(10 * MOST_LOOKS) - 4 < 20


def test_offsets_that_librdkafka_knows_of_and_holds_no_record_for_are_not_waited_for(world: World) -> None:
    # Such as a transaction's marker at the end, after each of many transactions
    for offset in range(7, 27, 2):
        world.reader.starving = (1, {ONE: offset})
        world.brokers.last = world.reader.seen = {ONE: offset + 1}
        assert world.looks(5) == 0


def test_what_librdkafka_knew_of_before_it_stood_still_does_not_hide_what_came_after(world: World) -> None:
    world.reader.seen = {ONE: 8}

    assert world.looks(2) == 1


def test_a_question_without_an_answer_begins_the_wait_anew(world: World) -> None:
    world.looks(1)
    world.brokers.fails = TimeoutError()
    world.looks(1)
    world.brokers.fails = None

    assert world.looks(1) == 0
    assert world.looks(1) == 1


def test_a_partition_that_was_never_read_is_waited_for_from_its_first_record(world: World) -> None:
    world.reader.starving = (1, {ONE: OFFSET_BEGINNING})
    world.brokers.last = {ONE: 0}
    assert world.looks(5) == 0

    world.brokers.last = {ONE: 1}

    assert world.looks(2) == 1


def test_of_many_partitions_some_are_asked_about_at_a_time_and_all_in_their_turn(world: World) -> None:
    many = {("deliver.many", number): 0 for number in range(2 * MOST_ASKED + 1)}
    world.reader.starving = (1, many)
    world.brokers.last = dict.fromkeys(many, 0)

    assert world.looks(6) == 0

    first, again, second, _, third, _ = world.brokers.asked
    assert first == again
    assert first | second | third == set(many)
    assert max(map(len, world.brokers.asked)) <= MOST_ASKED


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_of_many_that_stands_still_is_found_in_its_turn(world: World, number: int) -> None:
    many = {("deliver.many", number): 0 for number in range(3 * MOST_ASKED)}
    world.reader.starving = (1, many)
    world.brokers.last = {**dict.fromkeys(many, 0), ("deliver.many", number): 1}

    assert world.looks(2 * number + 1) == 0
    assert world.looks(1) == 1
