"""Expected against actual: what was lost, made up, repeated or early, and everything that was measured."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from streams.commands import Books
from streams.verify import copies, repeats, timing, topics
from streams.verify.cluster import TIMEOUT_S
from streams.verify.destination import Arrival
from streams.verify.faults.base import Scenario
from streams.verify.result import SHOWN, Result
from streams.verify.script import DELIVERED
from streams.verify.stage import Stage
from streams.verify.timing import Course
from streams.verify.topics import Topics, Way


def judge(
    result: Result, scenario: Scenario, stage: Stage, books: Books, arrivals: Sequence[Arrival]
) -> None:
    """Fill in the result of a scenario whose workers have ended."""
    _copies(stage, books)
    found = topics.read(stage.settings)
    expected, actual = stage.expectations(), found.fates()
    _count(result, stage, expected, actual)
    _accounts(result, books)
    _agreement(result, stage, actual, arrivals)
    _repeats(result, scenario, stage, found, arrivals)
    _times(result, scenario, stage, found, arrivals)
    result.failures += scenario.check(stage, arrivals)
    if not result.pairs:
        result.failures.append("there were no events: nothing is proved")


def _copies(stage: Stage, books: Books) -> None:
    """What the load's producer wrote twice is expected to end twice, and what it has no place for to end."""
    if books.inbound.records <= len(stage.load.sources) + stage.records:
        return
    others = {way.source for way in stage.expected} | stage.besides.keys()
    found = copies.among(topics.inbound(stage.settings), stage.load.sources, others, stage.load.unplaced)
    stage.load.sources |= found
    stage.notes.append(f"{len(found)} records are where the load was not told of: each has to end")


def _count(result: Result, stage: Stage, expected: Mapping[Way, str], actual: Mapping[Way, str]) -> None:
    result.events = len(stage.load.sources) + stage.records
    result.pairs = len(expected)
    result.expected, result.actual = Counter(expected.values()), Counter(actual.values())
    differ = [way for way in expected.keys() | actual.keys() if expected.get(way) != actual.get(way)]
    lost = [way for way in differ if way not in actual]
    result.lost, result.wrong = len(lost), len(differ) - len(lost)
    names = stage.ids
    for way in sorted(differ, key=str)[:SHOWN]:
        what = f"{names.get(way.source, 'no event')} ({way.source}) at {way.destination or 'the route'}"
        result.failures.append(f"{what}: expected {expected.get(way)}, found {actual.get(way)}")


def _accounts(result: Result, books: Books) -> None:
    result.unaccounted = books.inbound.unaccounted + sum(
        line.unaccounted for line in books.destinations.values()
    )
    result.ambiguous = sum(line.ambiguous for line in books.destinations.values())
    if result.unaccounted:
        missing = [
            *books.inbound.missing,
            *(one for line in books.destinations.values() for one in line.missing),
        ]
        result.failures.append(f"unaccounted: {result.unaccounted}: {', '.join(missing[:SHOWN])}")


def _agreement(result: Result, stage: Stage, actual: Mapping[Way, str], arrivals: Sequence[Arrival]) -> None:
    """What the topics call delivered is what the destination took, and as often as it should have."""
    names, taken = stage.ids, repeats.counted(arrivals)
    delivered = Counter(
        (way.destination, names.get(way.source, str(way.source)))
        for way, fate in actual.items()
        if fate == DELIVERED and way not in stage.unseen
    )
    apart = [
        f"{event} at {name}: taken {taken.get((name, event), 0)}, delivered {delivered[name, event]} times"
        for name, event in taken.keys() | delivered.keys()
        if taken.get((name, event), 0) < delivered[name, event] or not delivered[name, event]
    ]
    result.disagreements = len(apart)
    result.failures += sorted(apart)[:SHOWN]
    result.duplicates = sum(taken.values()) - delivered.total()


def _repeats(
    result: Result, scenario: Scenario, stage: Stage, found: Topics, arrivals: Sequence[Arrival]
) -> None:
    result.bound = repeats.bound(stage.strikes, found, arrivals, TIMEOUT_S)
    result.strikes = [strike.what for strike in stage.strikes]
    if result.duplicates > result.bound:
        result.failures.append(f"{result.duplicates} duplicates: at most {result.bound} may be")
    if scenario.once and stage.strikes:
        result.failures.append(f"workers ended by themselves: {', '.join(result.strikes)}")


def _times(
    result: Result, scenario: Scenario, stage: Stage, found: Topics, arrivals: Sequence[Arrival]
) -> None:
    attempts = topics.by_way(found.attempts)
    by_event: defaultdict[tuple[str, str], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_event[arrival.to, arrival.event].append(arrival)
    policy, clocks_differ = stage.settings.retry.policy, scenario.clocks_ms > 0
    found_early = timing.early(attempts, by_event, policy, TIMEOUT_S, clocks_differ=clocks_differ)
    early = [one for one in found_early if one.by_ms > scenario.clocks_ms]
    result.early = len(early)
    result.failures += [str(one) for one in early[:SHOWN]]
    result.lateness_ms = timing.lateness(attempts)
    result.courses = [Course.of(arrivals, stage.load.began, stage.moments)]
    result.stall_s = timing.stall(arrivals, "steady", stage.load.began, stage.load.ended)
    result.stall_limit_s = limit = scenario.longest_stall_s
    if limit is not None and result.stall_s > limit:
        result.failures.append(
            f"the healthy destination got nothing for {result.stall_s:.1f} s: more than {limit:g} s"
        )
