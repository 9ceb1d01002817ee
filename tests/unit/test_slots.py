"""Slots: no more than there are, in the order of asking, and none is ever lost."""

import asyncio

import pytest

from streams.slots import Slots


async def test_there_are_so_many_and_no_more() -> None:
    slots = Slots(2)
    assert [slots.take() for _ in range(3)] == [True, True, False]
    slots.release()
    assert slots.take()


async def test_one_that_is_free_is_not_waited_for() -> None:
    slots = Slots(1)

    async with asyncio.timeout(1):
        await slots.wait()

    assert not slots.take()


async def test_who_waits_longest_is_next_and_nobody_overtakes() -> None:
    slots, order = Slots(1), list[int]()
    assert slots.take()

    async def wait(number: int) -> None:
        await slots.wait()
        order.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    for _ in range(3):
        slots.release()
        assert not slots.take()
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]
    assert slots.free == 0


@pytest.mark.parametrize("handed_over", [False, True], ids=["while waiting", "as it was handed over"])
async def test_one_who_is_cancelled_leaves_the_slot_to_others(handed_over: bool) -> None:
    slots = Slots(1)
    assert slots.take()
    waiting = asyncio.create_task(slots.wait())
    await asyncio.sleep(0)
    if handed_over:
        slots.release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    if not handed_over:
        slots.release()
    assert slots.free == 1


async def test_there_are_few_at_first_and_one_more_for_four_answers() -> None:
    slots = Slots(10)
    assert slots.free == 10
    assert taken(slots) == 2

    for _ in range(4):
        slots.release()
        assert slots.take()

    assert taken(slots) == 1
    assert slots.free == 7


async def test_there_are_never_more_than_that() -> None:
    slots = Slots(10)
    for _ in range(1000):
        assert slots.take()
        slots.release()

    assert taken(slots) == slots.free + 10 == 10


async def test_where_no_answer_comes_all_can_be_taken_soon() -> None:
    slots = Slots(10)
    assert taken(slots) == 2

    async with asyncio.timeout(10):
        await asyncio.gather(*[slots.wait() for _ in range(8)])

    assert slots.free == 0
    assert not slots.take()


def taken(slots: Slots) -> int:
    """How many can be taken now."""
    count = 0
    while slots.take():
        count += 1
    return count
