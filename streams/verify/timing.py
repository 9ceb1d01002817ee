"""When things happened: what came too early, how late the rest was, and how long nothing came."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

from streams.attempts import Attempt, Outcome
from streams.retry import Policy
from streams.verify.destination import Arrival
from streams.verify.topics import Way

#: Headers hold whole milliseconds.
GRAIN_S = 0.001


@dataclass(frozen=True, slots=True)
class Early:
    """An attempt that was made before its time."""

    way: Way
    attempt: int
    by_ms: int

    def __str__(self) -> str:
        return f"{self.way.destination} {self.way.source}: attempt {self.attempt} was {self.by_ms} ms early"


def early(
    attempts: Mapping[Way, Sequence[Attempt]],
    arrivals: Mapping[tuple[str, str], Sequence[Arrival]],
    policy: Policy,
    timeout_s: float,
    *,
    clocks_differ: bool = False,
) -> list[Early]:
    """Attempts before their time: by the destination's clock and the plan, where every arrival is one
    attempt; by what the attempts say themselves, where a crash has repeated some.

    Where workers' clocks differ, an attempt's number says which it is, and not when it says that it began:
    the first that a worker makes are by its machine's clock, until a broker has said what time it is.
    """
    found: list[Early] = []
    for way, of_one in attempts.items():
        there = arrivals.get((way.destination, of_one[0].event_id), ())
        numbers = [one.attempt for one in of_one]
        if clocks_differ:
            numbers.sort()
        if len(there) == len(of_one) and numbers == list(range(1, len(numbers) + 1)):
            found += _by_arrivals(way, there, policy, timeout_s)
        else:
            found += _by_attempts(way, of_one, there, policy, timeout_s)
    return found


def _by_arrivals(way: Way, arrivals: Sequence[Arrival], policy: Policy, timeout_s: float) -> Iterable[Early]:
    for number, (last, this) in enumerate(pairwise(arrivals), 1):
        if (left_s := _not_before(last, number, policy, timeout_s) - this.at) > GRAIN_S:
            yield Early(way, number + 1, ceil(left_s * 1000))


def _not_before(last: Arrival, number: int, policy: Policy, timeout_s: float) -> float:
    """When the attempt after this one, the `number`-th, may be made (Unix time)."""
    in_time = last.answered - last.at < timeout_s  # else nobody waited for the answer
    wait_s = max(policy.plan[number - 1].seconds, last.retry_after_s)
    return (last.answered if in_time else last.at) + wait_s


def _by_attempts(
    way: Way, attempts: Sequence[Attempt], arrivals: Sequence[Arrival], policy: Policy, timeout_s: float
) -> Iterable[Early]:
    """By when each could be made at the earliest, going by any attempt before it that is on record. Killed
    between a delay record and the attempt's own, a worker leaves only the first; so where more has arrived
    than is on record, an arrival may be that attempt as well."""
    unrecorded = arrivals if len(arrivals) > len(attempts) else ()
    for attempt in attempts:
        number, started_ms = attempt.attempt - 1, attempt.started_ms
        before = [one for one in attempts if one.attempt == number and one.outcome is Outcome.RETRY]
        may_be_ms = [one.not_before_ms or 0 for one in before]
        may_be_ms += [
            ceil((_not_before(one, number, policy, timeout_s) - GRAIN_S) * 1000)
            for one in unrecorded
            if before and one.at * 1000 <= started_ms
        ]
        if before and started_ms < min(may_be_ms):
            yield Early(way, attempt.attempt, min(may_be_ms) - started_ms)


class Spread(Counter[int]):
    """Whole numbers and how often each came: as exact as a list, and no longer than there are values."""

    def percentile(self, share: float) -> int:
        """The nearest-rank percentile; 0 of nothing."""
        rank, seen = max(1, ceil(self.total() * share)), 0
        for value, count in sorted(self.items()):
            seen += count
            if seen >= rank:
                return value
        return 0


def merge(total: dict[str, Spread], more: Mapping[str, Spread]) -> None:
    """Add what came later."""
    for name, spread in more.items():
        total.setdefault(name, Spread()).update(spread)


def lateness(attempts: Mapping[Way, Sequence[Attempt]]) -> dict[str, Spread]:
    """How late attempts were after a wait, in ms, per tier; queueing and every fault included."""
    found: defaultdict[str, Spread] = defaultdict(Spread)
    for of_one in attempts.values():
        for last, this in pairwise(of_one):
            if last.tier and last.not_before_ms is not None and this.attempt == last.attempt + 1:
                found[last.tier][this.started_ms - last.not_before_ms] += 1
    return dict(found)


@dataclass
class Course:
    """How a round went, second by second from its first event on; and the moments of its faults."""

    taken: Counter[int] = field(default_factory=Counter)  #: deliveries in each second
    refused: Counter[int] = field(default_factory=Counter)  #: requests that were not taken
    moments: list[tuple[float, str]] = field(default_factory=list)
    seconds: int = 0

    @classmethod
    def of(cls, arrivals: Iterable[Arrival], began: float, moments: Iterable[tuple[float, str]]) -> "Course":
        """`moments` are in Unix time."""
        course = cls(moments=[(at - began, what) for at, what in moments])
        for one in arrivals:
            (course.taken if one.taken else course.refused)[int(one.at - began)] += 1
        course.seconds = max(
            [*course.taken, *course.refused, *(int(at) for at, _ in course.moments)], default=0
        )
        return course


def stall(arrivals: Iterable[Arrival], name: str, began: float, ended: float) -> float:
    """The longest time, in seconds, in which a destination got nothing while there was something to get:
    from the first event written to the last one written or delivered."""
    marks = [began, *sorted(one.at for one in arrivals if one.to == name and one.at >= began)]
    if marks[-1] < ended:
        marks.append(ended)
    return max(later - sooner for sooner, later in pairwise(marks))
