"""From `delay.<tier>` back: never early, in order of what is due, and nobody is held up for long."""

import asyncio

import pytest

from streams import delay, headers
from streams.delay import Delay
from streams.flight import Record
from streams.settle import Settler
from tests.flow.post import NAMES, POLICY, Post, batch, finished, record, tracked, until

SECOND, FOUR = NAMES.delay("1s"), NAMES.delay("4s")
NOON_MS = 1_760_000_000_000


class Clock:
    """Time, as the test has it."""

    def __init__(self) -> None:
        self.ms = NOON_MS

    def __call__(self) -> float:
        return self.ms / 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def draining() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def room(post: Post, clock: Clock, draining: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> Delay:
    monkeypatch.setattr(delay, "LONGEST_NAP_S", 0.001)
    settler = Settler(post.letters, NAMES, "w1")
    return Delay(post.letters, settler, NAMES, POLICY, lambda: draining, clock)


def due(topic: str, offset: int, in_ms: int, not_before_ms: int | None = None) -> Record:
    after = in_ms if not_before_ms is None else not_before_ms
    tier = NAMES.tiers[topic]
    return tracked(topic, offset, tier=tier, due_ms=NOON_MS + in_ms, not_before_ms=NOON_MS + after)


def released(post: Post) -> list[str]:
    return [headers.read(one.headers).event_id for one in post.on(NAMES.deliver("crm"))]


async def test_a_record_is_released_when_it_is_due_and_not_a_millisecond_before(
    room: Delay, post: Post, clock: Clock
) -> None:
    one = batch(due(SECOND, 0, 1000))
    await room.begin(one)

    clock.ms = NOON_MS + 999
    await asyncio.sleep(0.02)
    assert post.sent == []

    clock.ms = NOON_MS + 1000
    await until(lambda: one.complete)
    assert released(post) == ["e0"]
    assert headers.read(post.sent[0].headers).tier is None


async def test_a_clock_that_is_set_back_makes_nothing_early(room: Delay, post: Post, clock: Clock) -> None:
    await room.begin(batch(due(SECOND, 0, 1000)))
    clock.ms = NOON_MS - 3_600_000
    await asyncio.sleep(0.02)
    assert post.sent == []


async def test_jitter_does_not_hold_up_what_is_due_first(room: Delay, post: Post, clock: Clock) -> None:
    one = batch(due(SECOND, 0, 1150), due(SECOND, 1, 1000), due(SECOND, 2, 1100))
    await room.begin(one)

    clock.ms = NOON_MS + 1100
    await until(lambda: len(released(post)) == 2)
    assert released(post) == ["e1", "e2"]
    assert finished(one) == [1, 2]


async def test_one_that_is_due_in_an_hour_holds_up_its_partition_for_no_more_than_two_tiers(
    room: Delay, post: Post, clock: Clock
) -> None:
    # Written by a worker whose clock was an hour ahead. It used to stand in front of all that came after it.
    one = batch(due(SECOND, 0, 3_600_000), due(SECOND, 1, 1000))
    await room.begin(one)
    await asyncio.sleep(0)

    clock.ms = NOON_MS + 2000
    await until(lambda: one.complete)

    assert released(post) == ["e1"]
    [again] = post.on(FOUR)
    assert headers.read(again.headers).not_before_ms == NOON_MS + 3_600_000


async def test_a_wait_longer_than_its_tier_goes_through_a_tier_again(
    room: Delay, post: Post, clock: Clock
) -> None:
    one = batch(due(SECOND, 0, 1000, not_before_ms=3000))
    await room.begin(one)

    clock.ms = NOON_MS + 1000
    await until(lambda: one.complete)

    [again] = post.on(SECOND)
    assert headers.read(again.headers).not_before_ms == NOON_MS + 3000
    assert released(post) == []


async def test_partitions_and_tiers_wait_on_their_own(room: Delay, post: Post, clock: Clock) -> None:
    long, short = batch(due(FOUR, 0, 4000)), batch(due(SECOND, 1, 1000))
    await room.begin(long)
    await room.begin(short)

    clock.ms = NOON_MS + 1000
    await until(lambda: short.complete)
    assert finished(long) == []


async def test_a_batch_that_is_given_back_releases_nothing_more(
    room: Delay, post: Post, clock: Clock, draining: asyncio.Event
) -> None:
    one = batch(due(SECOND, 0, 1000))
    await room.begin(one)

    one.halted = True
    draining.set()
    await until(lambda: not room.tasks._tasks)
    clock.ms = NOON_MS + 1000

    assert post.sent == []
    assert finished(one) == []


async def test_what_was_overtaken_waits_on_in_a_shorter_tier_when_its_batch_is_given_back(
    room: Delay, post: Post, clock: Clock, draining: asyncio.Event
) -> None:
    # Else the record that was released could not be committed, and would be released again.
    one = batch(due(FOUR, 0, 4500), due(FOUR, 1, 4000), due(FOUR, 2, 4600))
    await room.begin(one)
    clock.ms = NOON_MS + 4000
    await until(lambda: finished(one))
    assert one.in_flight == 1  # a drain waits for it

    one.halted = True
    draining.set()
    await until(lambda: not one.in_flight)

    assert (finished(one), one.prefix) == ([0, 1], 2)
    [waits_on] = post.on(SECOND)
    assert headers.read(waits_on.headers).not_before_ms == NOON_MS + 4500
    assert released(post) == ["e1"]


async def test_a_release_that_can_not_be_written_is_tried_again_and_done_only_then(
    room: Delay, post: Post, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.dispatch.SHORTEST_BACKOFF_S", 0.01)
    post.trouble = [RuntimeError("no broker")]
    clock.ms = NOON_MS + 1000
    one = batch(due(SECOND, 0, 1000))

    await room.begin(one)
    await until(lambda: not post.trouble)
    assert finished(one) == []
    await until(lambda: one.complete)
    assert released(post) == ["e0"]


async def test_many_that_are_due_at_once_are_released_a_hundred_together(
    room: Delay, post: Post, clock: Clock
) -> None:
    clock.ms = NOON_MS + 1000
    one = batch(*[due(SECOND, offset, 1000) for offset in range(250)])

    await room.begin(one)
    await until(lambda: one.complete)

    assert released(post) == [f"e{offset}" for offset in range(250)]


async def test_a_record_that_is_none_of_ours_goes_to_the_dlq_and_the_others_go_on(
    room: Delay, post: Post, clock: Clock
) -> None:
    clock.ms = NOON_MS + 1000
    one = batch(record(SECOND, 0, b"?"), due(SECOND, 1, 1000))

    await room.begin(one)
    await until(lambda: one.complete)

    assert headers.read_death(post.on(NAMES.dlq)[0].headers).reason == "malformed"
    assert released(post) == ["e1"]


async def test_a_destination_that_nobody_here_knows_waits_another_pass_and_holds_up_nobody(
    room: Delay, post: Post, clock: Clock
) -> None:
    # During an upgrade a worker with the newer config may have the next pass.
    gone = tracked(
        SECOND, 0, destination="gone", tier="1s", due_ms=NOON_MS, not_before_ms=NOON_MS,
        deadline_ms=NOON_MS + 60_000,
    )  # fmt: skip
    one = batch(gone, due(SECOND, 1, 0))

    await room.begin(one)
    await until(lambda: one.complete)

    assert released(post) == ["e1"]
    [again] = post.on(SECOND)
    assert headers.read(again.headers).due_ms == NOON_MS + 1000


async def test_a_destination_that_was_removed_keeps_its_events_in_the_dlq_after_their_deadline(
    room: Delay, post: Post, clock: Clock
) -> None:
    gone = tracked(SECOND, 0, destination="gone", tier="1s", due_ms=NOON_MS, deadline_ms=NOON_MS)
    one = batch(gone)

    await room.begin(one)
    await until(lambda: one.complete)

    [dead] = post.on(NAMES.dlq)
    assert headers.read_death(dead.headers).reason == "no-destination"
    assert headers.read(dead.headers).destination == "gone"
