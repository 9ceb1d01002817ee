"""Workers whose clock is wrong when they start: what they release, and what they have stamped."""

import asyncio
from collections.abc import Sequence

import pytest

from streams import delay
from streams.delay import Delay
from streams.flight import Record
from streams.producer import Outgoing
from streams.settle import Settler
from tests.flow.post import NAMES, POLICY, Post, batch, until
from tests.flow.test_delay import NOON_MS, SECOND, Clock, due, released

HOUR_MS = 3_600_000


class Brokers:
    """Whether they have said what time it is; when they do, the clock is put right."""

    spoke = False

    def __call__(self) -> bool:
        return self.spoke

    def speak(self, clock: Clock) -> None:
        clock.ms, self.spoke = NOON_MS, True


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def room(post: Post, clock: Clock, brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> Delay:
    monkeypatch.setattr(delay, "LONGEST_NAP_S", 0.001)
    settler, draining = Settler(post.letters, NAMES, "w1"), asyncio.Event()
    return Delay(post.letters, settler, NAMES, POLICY, lambda: draining, clock, brokers)


def stamped(offset: int, due_in_ms: int) -> Record:
    """A record that the broker wrote at noon, and whose writer meant another time."""
    record = due(SECOND, offset, due_in_ms)
    record.timestamp = NOON_MS
    return record


async def test_with_a_clock_that_is_ahead_nothing_is_released_before_the_brokers_had_a_word(
    room: Delay, post: Post, clock: Clock, brokers: Brokers
) -> None:
    # Given a worker that has just started, an hour ahead
    clock.ms = NOON_MS + HOUR_MS
    one = batch(due(SECOND, 0, 1000), due(SECOND, 1, 1000))
    await room.begin(one)
    await asyncio.sleep(0.1)
    assert post.sent == []

    # When a broker's confirmation has put its clock right
    brokers.speak(clock)
    await asyncio.sleep(0.1)

    # Then both wait for their time
    assert post.sent == []
    clock.ms = NOON_MS + 1000
    await until(lambda: one.complete)


async def test_a_worker_that_hears_nothing_releases_one_and_learns_from_its_confirmation(
    room: Delay, post: Post, clock: Clock, brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delay, "HEAR_S", 0.05)
    clock.ms = NOON_MS + HOUR_MS
    await room.begin(batch(due(SECOND, 0, 1000), due(SECOND, 1, 1000), due(SECOND, 2, 1000)))

    send = post.send

    async def confirmed(outgoing: Sequence[Outgoing]) -> None:
        await send(outgoing)
        brokers.speak(clock)

    monkeypatch.setattr(post, "send", confirmed)
    await until(lambda: post.sent)
    await asyncio.sleep(0.05)

    assert released(post) == ["e0"]


async def test_a_stamp_of_an_hour_ago_counts_from_when_the_broker_wrote_the_record(
    room: Delay, post: Post, clock: Clock, brokers: Brokers
) -> None:
    # Stamped by a worker that had just started, an hour behind.
    brokers.spoke = True
    one = batch(stamped(0, 1000 - HOUR_MS))
    await room.begin(one)
    clock.ms = NOON_MS + 999
    await asyncio.sleep(0.05)
    assert post.sent == []

    clock.ms = NOON_MS + 1000
    await until(lambda: one.complete)
    assert released(post) == ["e0"]


async def test_what_was_written_a_little_late_does_not_wait_anew(
    room: Delay, post: Post, clock: Clock, brokers: Brokers
) -> None:
    brokers.spoke = True
    one = batch(stamped(0, -500))  # its write took longer than its wait
    await room.begin(one)
    await until(lambda: one.complete)
    assert released(post) == ["e0"]
