"""What came of a scenario, in one round or in several."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from streams.verify import timing
from streams.verify.timing import Course, Spread

#: So many examples of what is wrong are kept of each round and of each scenario.
SHOWN = 20


@dataclass
class Result:
    """What came of one scenario."""

    name: str
    text: str
    seed: int = 0
    events: int = 0
    pairs: int = 0  #: of event and destination, replays included
    expected: Counter[str] = field(default_factory=Counter)
    actual: Counter[str] = field(default_factory=Counter)
    lost: int = 0  #: pairs that came to no end at all
    wrong: int = 0  #: pairs that came to another end than they should, or that should not be
    unaccounted: int = 0  #: as `distributary status` has it
    disagreements: int = 0  #: the destination took it and the topics do not say so, or the other way round
    duplicates: int = 0
    bound: int = 0
    ambiguous: int = 0
    early: int = 0
    lateness_ms: dict[str, Spread] = field(default_factory=dict)  #: per tier
    stall_s: float = 0.0
    stall_limit_s: float | None = None
    drain_s: float = 0.0
    took_s: float = 0.0
    rounds: int = 1
    strikes: list[str] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)  #: one for each round
    figures: dict[str, float | str] = field(default_factory=dict)  #: what only this scenario measures
    notes: list[str] = field(default_factory=list)  #: what a person should know, and what is no failure
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def astray(self) -> int:
        """What came to another end than it should, or on which the witnesses differ."""
        return self.wrong + self.disagreements

    def as_json(self) -> dict[str, Any]:
        """Its figures; how deliveries went over time is on the page only."""
        tiers = {
            tier: {"count": late.total(), "p50": late.percentile(0.5), "p99": late.percentile(0.99)}
            for tier, late in sorted(self.lateness_ms.items())
        }
        rest = {name: value for name, value in vars(self).items() if name != "courses"}
        return {"passed": self.passed, **rest, "lateness_ms": tiers}


@dataclass
class Played:
    """Everything that was played: a result for each scenario, with all its rounds in it."""

    seed: int
    results: list[Result] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  #: scenario -> why it could not be played
    took_s: float = 0.0
    circumstances: dict[str, str] = field(default_factory=dict)  #: what it takes to repeat it

    @property
    def passed(self) -> bool:
        """Whether anything was played, and nothing failed."""
        return bool(self.results) and not self.failed

    @property
    def failed(self) -> list[str]:
        return [result.name for result in self.results if not result.passed]

    @property
    def pairs(self) -> int:
        return sum(result.pairs for result in self.results)

    @property
    def lost(self) -> int:
        return sum(result.lost for result in self.results)


def add_to(results: list[Result], one: Result) -> None:
    """Add a round: to what came of the same scenario before, or else as the first."""
    for total in results:
        if total.name == one.name:
            _add(total, one)
            return
    results.append(one)


#: What adds up over rounds, and what counts by its worst.
_SUMS = ("events", "pairs", "lost", "wrong", "unaccounted", "disagreements", "duplicates", "bound",
         "ambiguous", "early", "took_s")  # fmt: skip
_WORST = ("stall_s", "drain_s")


def _add(total: Result, one: Result) -> None:
    """Add another round of the same scenario; figures of its own are those of the latest round."""
    for name in _SUMS:
        setattr(total, name, round(getattr(total, name) + getattr(one, name), 1))
    for name in _WORST:
        setattr(total, name, max(getattr(total, name), getattr(one, name)))
    total.rounds += 1
    total.expected += one.expected
    total.actual += one.actual
    total.strikes += one.strikes
    total.courses += one.courses
    total.figures |= one.figures
    timing.merge(total.lateness_ms, one.lateness_ms)
    _append(total.notes, one, one.notes)
    _append(total.failures, one, one.failures)


def _append(lines: list[str], one: Result, more: list[str]) -> None:
    room = max(0, SHOWN - len(lines))
    lines += [f"seed {one.seed}: {line}" for line in more[:room]]
