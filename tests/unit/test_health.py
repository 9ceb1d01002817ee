"""A destination is unwell while nothing arrives there though it is tried; the first that arrives ends it."""

import asyncio

import pytest

from streams import clock, health
from streams.health import FORGET_S, LOOK_S, UNWELL_S, Health, Ward
from streams.slots import Slots


def test_one_that_nobody_tries_is_well_however_long() -> None:
    assert not Health(Slots(1)).unwell(1e9)


def test_one_is_unwell_a_while_after_the_first_try_and_trying_on_does_not_put_that_off() -> None:
    one = Health(Slots(1))
    one.tried(100.0)
    one.failed()
    one.tried(100.0 + UNWELL_S)

    assert not one.unwell(100.0 + UNWELL_S)
    assert one.unwell(100.1 + UNWELL_S)


def test_one_that_is_slow_and_never_fails_is_well_until_half_the_time_of_a_request_is_over() -> None:
    one = Health(Slots(1), timeout_s=10.0)
    one.tried(100.0)

    assert not one.unwell(104.9)
    assert one.unwell(105.1)


def test_one_whose_slots_are_all_taken_is_unwell_after_a_fifth_of_that_time() -> None:
    slots = Slots(2)
    one = Health(slots, timeout_s=10.0)
    one.tried(100.0)

    assert slots.take()
    assert not one.unwell(102.1)
    assert slots.take()
    assert not one.unwell(101.9)
    assert one.unwell(102.1)
    slots.release()
    assert not one.unwell(102.1)


def test_one_that_is_not_tried_any_more_may_be_another_workers_and_is_not_called_unwell() -> None:
    one = Health(Slots(1))
    one.tried(100.0)
    one.failed()

    assert one.unwell(100.0 + FORGET_S)
    assert not one.unwell(100.1 + FORGET_S)


def test_what_arrives_makes_it_well_and_the_next_try_counts_from_then() -> None:
    one = Health(Slots(1))
    one.tried(100.0)
    one.failed()
    one.took()
    assert not one.unwell(200.0)

    one.tried(200.0)
    assert not one.unwell(200.1 + UNWELL_S)
    one.failed()
    assert not one.unwell(200.0 + UNWELL_S)
    assert one.unwell(200.1 + UNWELL_S)


async def test_slots_rest_for_a_while_and_not_all_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REST_S", 0.1)
    slots = Slots(2)
    one = Health(slots)
    begun = [asyncio.get_running_loop().time()] * 2
    for _ in begun:
        assert slots.take()
        one.rest()
    ends = []
    for _ in begun:
        await slots.wait()
        ends.append(asyncio.get_running_loop().time() - begun[0])

    assert ends[0] >= 0.05
    assert ends[0] != ends[1]


async def test_all_slots_together_make_few_attempts_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "REST_S", 0.01)
    monkeypatch.setattr(health, "TRIES_PER_S", 500)
    slots = Slots(1000, first=1000)
    one = Health(slots)
    begun = asyncio.get_running_loop().time()
    for _ in range(1000):
        slots.take()
        one.rest()

    await asyncio.sleep(0.4)

    passed_s = asyncio.get_running_loop().time() - begun
    assert 50 < slots.free < 400 * max(1, passed_s)  # of 1,000 in 4 s; it is never left alone for long


async def test_no_slot_rests_any_longer_when_something_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REST_S", 0.02)
    slots = Slots(3, first=3)
    one = Health(slots)
    one.tried(100.0)
    for _ in range(3):
        slots.take()
        one.rest()
    one.took()
    assert slots.free == 3

    await asyncio.sleep(0.1)
    assert slots.free == 3


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What `clock.steady` says, in seconds: the last of these."""
    told = [1000.0]
    monkeypatch.setattr(clock, "steady", lambda: told[-1])
    return told


def test_the_ward_names_who_is_unwell_and_says_once_that_somebody_has_become_so_or_is_well_again(
    now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    crm, ads = Health(Slots(1)), Health(Slots(1))
    ward = Ward({"deliver.crm": crm, "deliver.ads": ads})
    for one in (crm, ads):
        one.tried(now[-1])
        one.failed()
    ads.took()
    assert ward.unwell() == frozenset()

    now.append(now[-1] + UNWELL_S + LOOK_S)
    assert ward.unwell() == {"deliver.crm"}
    now.append(now[-1] + 2 * LOOK_S)
    assert ward.unwell() == {"deliver.crm"}
    crm.took()
    now.append(now[-1] + 2 * LOOK_S)
    assert ward.unwell() == frozenset()

    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == ["destination.unwell topic=deliver.crm", "destination.well topic=deliver.crm"]


def test_the_ward_does_not_look_more_often_than_it_has_to(now: list[float]) -> None:
    crm = Health(Slots(1))
    ward = Ward({"deliver.crm": crm})
    crm.tried(now[-1])
    crm.failed()
    now.append(now[-1] + UNWELL_S + LOOK_S)
    ward.unwell()

    crm.took()
    now.append(now[-1] + LOOK_S / 2)
    assert ward.unwell() == {"deliver.crm"}
