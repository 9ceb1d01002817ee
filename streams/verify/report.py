"""What `distributary verify` prints: a line as each scenario ends, tables at the end; or JSON."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from streams import durations
from streams import show as house
from streams.verify import timing
from streams.verify.faults.base import Scenario
from streams.verify.result import Played, Result
from streams.verify.timing import Spread

#: What the report says of its own figures.
BOUND = (
    "for each kill, freeze or loss of the broker what the group had in hand (begun, not committed): deliver "
    "records whose event had arrived, what was routed from inbound records, delay records that were due; and "
    "answers of success that came after the timeout"
)
LEGEND = f"""\
lost   came to no end at all; wrong: came to another than it should
twice  deliveries beyond the first, and the most there may be: {BOUND}
early  attempts before their time
stall  the longest time in which the healthy destination got nothing, s
drain  until nothing was on its way, s"""


class Live:
    """What is happening, on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def begins(self, scenario: Scenario, number: int, seed: int) -> None:
        round_of = f" (round {number + 1}, seed {seed})" if number else ""
        self._console.print(f"[bold]{scenario.name}[/]{round_of}: {scenario.text}")

    def left_out(self, scenario: Scenario, why: str) -> None:
        self._console.print(f"[yellow]{scenario.name}: left out: {why}")

    def ended(self, result: Result) -> None:
        verdict = "[green]passed" if result.passed else "[red]FAILED"
        self._console.print(
            f"  {verdict}[/] in {result.took_s:g} s: {result.pairs} event-destination pairs, "
            f"{result.lost} lost, {result.duplicates} duplicates (at most {result.bound} may be), "
            f"{result.early} early"
        )
        for failure in result.failures:
            self._console.print(f"    {failure}", markup=False)


def show(played: Played, *, as_json: bool) -> None:
    """The report."""
    if as_json:
        house.as_json(as_object(played))
        return
    console, results = house.console, played.results
    console.print(_scenarios(results))
    console.print(_fates(results))
    console.print(_lateness(results))
    console.print(LEGEND, highlight=False)
    for line in remarks(played):
        console.print(line, markup=False, highlight=False)
    console.print(_verdict(played))


def as_object(played: Played) -> dict[str, Any]:
    """The report for programs."""
    found = [result.as_json() for result in played.results]
    summary = {"pairs": played.pairs, "lost": played.lost, "took_s": played.took_s}
    head = {"passed": played.passed, "seed": played.seed, **summary, "left_out": played.left_out}
    return {**head, "repeat": played.circumstances, "bound": BOUND, "scenarios": found}


def remarks(played: Played) -> Iterator[str]:
    """What scenarios measured besides, what a person should know of them, and which were not played."""
    for result in played.results:
        yield from (f"{result.name}: {figure}: {value}" for figure, value in result.figures.items())
        yield from (f"{result.name}: {note}" for note in result.notes)
    yield from (f"{name}: left out: {why}" for name, why in played.left_out.items())


def _scenarios(results: Sequence[Result]) -> Table:
    made = house.table("scenario", "pairs", "lost", "wrong", "twice", "early", "stall", "drain", "<")
    for one in results:
        counts = map(str, (one.pairs, one.lost, one.astray, f"{one.duplicates}/{one.bound}", one.early))
        verdict = "ok" if one.passed else "[red]FAILED"
        made.add_row(one.name, *counts, f"{one.stall_s:.1f}", f"{one.drain_s:.1f}", verdict)
    return made


def _fates(results: Sequence[Result]) -> Table:
    """Every fate there was, expected and actual."""
    expected: Counter[str] = sum((result.expected for result in results), Counter())
    actual: Counter[str] = sum((result.actual for result in results), Counter())
    made = house.table("fate", "expected", "actual")
    for fate in sorted(expected | actual):
        made.add_row(fate, str(expected[fate]), str(actual[fate]))
    return made


def lateness(results: Sequence[Result]) -> dict[str, Spread]:
    """How late attempts were after a wait, over all scenarios, per tier; the faults are in it."""
    late: dict[str, Spread] = {}
    for result in results:
        timing.merge(late, result.lateness_ms)
    return {tier: late[tier] for tier in sorted(late, key=durations.parse)}


def _lateness(results: Sequence[Result]) -> Table:
    made = house.table("tier", "attempts", "lateness p50 ms", "p99 ms")
    for tier, late in lateness(results).items():
        made.add_row(tier, *map(str, (late.total(), late.percentile(0.5), late.percentile(0.99))))
    return made


def repeat(played: Played) -> str:
    """The command that plays what failed, or anything of this run, again."""
    return f"distributary verify --seed {played.seed} --faults {','.join(played.failed or ['...'])}"


def _verdict(played: Played) -> str:
    if not played.passed:
        return f"[red]FAILED: {', '.join(played.failed) or 'nothing was played'}. To repeat: {repeat(played)}"
    done = f"{len(played.results)} scenarios, {played.pairs} event-destination pairs"
    return f"[green]passed[/]: {done}, lost {played.lost}. Seed {played.seed}"


def listing(scenarios: Sequence[Scenario]) -> None:
    """Every scenario with its line."""
    width = max(len(one.name) for one in scenarios)
    for one in scenarios:
        sys.stdout.write(f"{one.name:{width}}  {one.text}{' (local Kafka only)' if one.only_local else ''}\n")
