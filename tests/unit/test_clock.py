"""Three clocks, of which one may be wrong at any moment."""

import logging

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from streams.clock import REMIND_S, TOLERANCE_S, Clock

NOON = 1_800_000_000.0
HOUR_S = 3600.0


class World:
    """The time it is, and how far each clock is off it."""

    def __init__(self, wall_off_s: float = 0.0) -> None:
        self.passed, self.wall_off_s, self.brokers_off_s = 0.0, wall_off_s, 0.0
        self.clock = Clock(lambda: self.now + self.wall_off_s, lambda: 77.0 + self.passed)

    @property
    def now(self) -> float:
        return NOON + self.passed

    def confirm(self, took_s: float = 0.02, kind: int = TIMESTAMP_LOG_APPEND_TIME) -> None:
        """A record is sent, and confirmed after a while; the broker wrote it half-way."""
        sent = self.clock.steady()
        self.passed += took_s / 2
        append_ms = int((self.now + self.brokers_off_s) * 1000)
        self.passed += took_s / 2
        self.clock.heard(kind, append_ms, sent)

    @property
    def off_s(self) -> float:
        return self.clock.now() - self.now


@pytest.mark.parametrize("step_s", [600.0, -600.0, HOUR_S, -HOUR_S])
def test_a_wall_clock_that_is_set_changes_nothing(step_s: float) -> None:
    world = World()
    world.confirm()
    world.wall_off_s = step_s
    world.passed += 10.0
    world.confirm()
    assert world.off_s == pytest.approx(0.0)


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S, TOLERANCE_S + 1])
def test_a_wall_clock_that_is_wrong_from_the_start_is_put_right_by_the_first_word_of_a_broker(
    off_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(wall_off_s=off_s)
    assert [world.clock.checked, world.off_s] == [False, pytest.approx(off_s)]

    world.confirm()

    assert world.clock.checked
    assert world.off_s == pytest.approx(0.0, abs=0.02)
    assert world.off_s <= 0.001  # rather late than early
    assert "clock.wrong_at_start" in caplog.text


def test_brokers_whose_clock_was_set_change_nothing_and_it_is_said_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.confirm()
    world.brokers_off_s = 600.0
    for _ in range(10):
        world.passed += 1.0
        world.confirm()
    assert world.off_s == pytest.approx(0.0)
    assert caplog.text.count("clock.brokers_differ") == 1

    world.passed += REMIND_S
    world.confirm()
    assert caplog.text.count("clock.brokers_differ") == 2


def test_after_a_pause_that_our_own_clock_did_not_see_the_other_two_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given a virtual machine that was paused for an hour; then NTP has set its wall clock
    world = World()
    world.confirm()
    slept_s = HOUR_S
    world.wall_off_s = world.brokers_off_s = slept_s

    world.confirm()

    assert world.clock.now() == pytest.approx(world.now + slept_s)
    assert "clock.set" in caplog.text


def test_a_wall_clock_that_was_put_right_later_is_no_reason_to_move(caplog: pytest.LogCaptureFixture) -> None:
    world = World(wall_off_s=HOUR_S)
    world.confirm()
    caplog.clear()
    world.wall_off_s = 0.0
    world.confirm()
    assert world.off_s == pytest.approx(0.0, abs=0.02)
    assert not caplog.records


def test_clocks_that_differ_by_less_than_the_tolerance_are_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(wall_off_s=TOLERANCE_S * 0.9)
    world.confirm()
    assert world.off_s == pytest.approx(TOLERANCE_S * 0.9)
    assert world.clock.checked
    assert not caplog.records


def test_a_confirmation_that_took_long_is_too_vague_to_set_a_clock() -> None:
    world = World(wall_off_s=HOUR_S)
    world.confirm(took_s=TOLERANCE_S * 3)
    assert world.off_s == pytest.approx(HOUR_S)
    assert not world.clock.checked


def test_a_topic_with_the_producers_time_says_nothing() -> None:
    world = World(wall_off_s=HOUR_S)
    world.confirm(kind=TIMESTAMP_CREATE_TIME)
    assert world.off_s == pytest.approx(HOUR_S)
    assert world.clock.checked  # there will be no better word
