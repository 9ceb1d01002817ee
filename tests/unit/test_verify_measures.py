"""What verify measures: early, late, stalled, and how much may come twice."""

import pytest

from streams.attempts import Attempt, Outcome
from streams.flight import Partition, Record
from streams.headers import Source, Tracking
from streams.retry import Policy
from streams.verify import repeats, timing
from streams.verify.destination import Arrival
from streams.verify.repeats import Strike
from streams.verify.timing import Course, Spread
from streams.verify.topics import Topics, Tracked, Way, way_of

POLICY = Policy.of(["300ms", "600ms"], ["300ms", "600ms"], "1m", 0.0)
INBOUND, DELIVER, DELAY = Partition("events", 0), Partition("deliver.crm", 0), Partition("delay.300ms", 0)
WAY = Way(Source("events", 0, 7), "crm")


def attempt(number: int, started_s: float, not_before_s: float | None = None) -> Attempt:
    waits = not_before_s is not None
    return Attempt(
        event_id="e7", destination="crm", source_topic="events", source_partition=0, source_offset=7,
        attempt=number, outcome=Outcome.RETRY if waits else Outcome.DELIVERED,
        started_ms=round(started_s * 1000), elapsed_ms=1, tier="300ms" if waits else None,
        not_before_ms=round(not_before_s * 1000) if not_before_s is not None else None, worker="w",
    )  # fmt: skip


def arrival(at: float, *, after: float = 0.0, taken: bool = False, retry_after_s: float = 0.0) -> Arrival:
    return Arrival(at, at + after, "crm", "e7", taken, retry_after_s)


def early(attempts: list[Attempt], arrivals: list[Arrival], *, clocks_differ: bool = False) -> list[int]:
    there = {("crm", "e7"): arrivals}
    found = timing.early({way_of(attempts[0]): attempts}, there, POLICY, 1.0, clocks_differ=clocks_differ)
    return [one.by_ms for one in found]


@pytest.mark.parametrize(
    ("arrivals", "by_ms"),
    [
        ([arrival(10.0), arrival(10.3)], []),
        ([arrival(10.0), arrival(10.2)], [100]),
        ([arrival(10.0, after=0.5), arrival(10.7)], [100]),  # the wait begins with the answer
        ([arrival(10.0, after=5.0), arrival(11.3)], []),  # which nobody waited for
        ([arrival(10.0, retry_after_s=2.0), arrival(11.0)], [1000]),
    ],
)
def test_the_destination_itself_knows_what_came_too_early(arrivals: list[Arrival], by_ms: list[int]) -> None:
    """Whatever the worker says: here that it never waited for anything."""
    assert early([attempt(1, 10.0, 10.0), attempt(2, 10.0)], arrivals) == pytest.approx(by_ms, abs=1)


@pytest.mark.parametrize(("second", "by_ms"), [(10.4, []), (10.1, [200])])
def test_a_worker_whose_clock_is_an_hour_behind_is_judged_by_the_destinations(
    second: float, by_ms: list[int]
) -> None:
    attempts = [attempt(2, 10.4 - 3600.0), attempt(1, 10.0, 10.3)]  # in the order of their own times
    there = [arrival(10.0), arrival(second)]
    assert early(attempts, there, clocks_differ=True) == pytest.approx(by_ms, abs=1)


def test_where_a_crash_repeated_an_attempt_the_attempts_tell() -> None:
    repeated = [attempt(1, 10.0, 10.3), attempt(1, 10.05, 10.35)]
    there = [arrival(10.0), arrival(10.05), arrival(10.1)]
    assert early([*repeated, attempt(2, 10.3)], there) == []
    assert early([*repeated, attempt(2, 10.1)], there) == [200]


def test_an_attempt_that_a_crash_left_without_a_record_is_known_by_its_arrival() -> None:
    """Its delay record was written, and it was made again, much later, by another worker."""
    again = attempt(1, 20.0, 20.3)
    assert early([attempt(2, 10.4), again], [arrival(10.0), arrival(10.4), arrival(20.0)]) == []
    assert early([attempt(2, 10.1), again], [arrival(10.0), arrival(10.1), arrival(20.0)]) == pytest.approx(
        [200], abs=1
    )
    assert early([attempt(2, 10.1), again], [arrival(10.2), arrival(20.0)]) != []


def test_lateness_is_per_tier() -> None:
    found = timing.lateness({WAY: [attempt(1, 10.0, 10.3), attempt(2, 10.35)]})
    assert found == {"300ms": Spread([50])}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentiles_are_by_nearest_rank(share: float, expected: int) -> None:
    assert Spread(range(1, 101)).percentile(share) == expected
    assert Spread({5: 99, 100: 1}).percentile(share) == (100 if share == 1.0 else 5)
    assert Spread().percentile(share) == 0


def test_a_course_counts_second_by_second_and_tells_when_what_happened() -> None:
    there = [arrival(100.2, taken=True), arrival(100.9), arrival(103.0, taken=True)]
    course = Course.of(there, 100.0, [(101.5, "worker-1 killed"), (107.0, "over")])
    assert (course.taken, course.refused) == ({0: 1, 3: 1}, {0: 1})
    assert course.moments == [(1.5, "worker-1 killed"), (7.0, "over")]
    assert course.seconds == 7


def test_a_stall_is_the_longest_gap_its_ends_included() -> None:
    there = [arrival(10.0), arrival(11.0), arrival(11.5)]
    assert timing.stall(there, "crm", 9.9, 11.6) == pytest.approx(1.0)
    assert timing.stall(there, "crm", 9.9, 15.0) == pytest.approx(3.5)
    assert timing.stall(there, "other", 9.0, 15.0) == pytest.approx(6.0)


def tracked(
    place: Partition, offset: int, number: int, *, tries: int = 0, due_ms: int | None = None
) -> Tracked:
    """The record of event number N, which is at offset N of the inbound topic."""
    tracking = Tracking("crm", f"e{number}", Source("events", 0, number), tries, due_ms=due_ms)
    return Tracked(Record(*place, offset, 0, None, b"", ()), tracking)


#: Ten events routed, in order; one of them waited, and is back.
TOPICS = Topics(
    [], [], [],
    [*(tracked(DELIVER, number, number) for number in range(10)), tracked(DELIVER, 10, 3, tries=1)],
    [tracked(DELAY, 0, 3, tries=1, due_ms=50_000)],
)  # fmt: skip
ENDS = {INBOUND: 10, DELIVER: 11, DELAY: 1}


def in_hand(
    committed: dict[Partition, int], *, arrived: int = 10, until: float = 100.0, holds: bool = False
) -> int:
    first = {("crm", f"e{number}"): 1.0 for number in range(arrived)}
    return repeats.in_hand(Strike("", committed, ENDS, until, holds), TOPICS, first)


def test_what_is_committed_is_in_nobodys_hands() -> None:
    assert in_hand(ENDS) == 0


def test_in_hand_is_what_arrived_and_is_not_committed() -> None:
    assert in_hand({**ENDS, DELIVER: 4}) == 7
    assert in_hand({**ENDS, DELIVER: 4}, arrived=6) == 3  # e4, e5, and e3 on its second way
    assert in_hand({**ENDS, DELIVER: 4}, arrived=6, holds=True) == 7


def test_in_hand_is_what_was_routed_of_an_uncommitted_inbound_record() -> None:
    assert in_hand({**ENDS, INBOUND: 8}) == 2


def test_in_hand_is_what_was_released_and_is_not_committed() -> None:
    assert in_hand({**ENDS, DELAY: 0}) == 1
    assert in_hand({**ENDS, DELAY: 0}, until=49.0) == 0  # it was not due


def test_the_bound_sums_strikes_and_answers_that_came_too_late() -> None:
    strikes = [Strike("killed", {**ENDS, INBOUND: 8}, ENDS, 100.0), Strike("replay", {}, {}, 0.0, others=5)]
    there = [arrival(10.0, taken=True), arrival(11.0, after=3.0, taken=True)]
    assert repeats.bound(strikes, TOPICS, there, 1.0) == 2 + 5 + 1
    assert repeats.bound([], TOPICS, there[:1], 1.0) == 0
