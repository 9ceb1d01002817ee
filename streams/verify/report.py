"""What `distributary verify` prints: a line as each scenario ends, tables at the end; or JSON."""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from streams import show as house
from streams.verify import timing
from streams.verify.faults.base import Scenario
from streams.verify.judge import Result

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

    def begins(self, scenario: Scenario) -> None:
        self._console.print(f"[bold]{scenario.name}[/]: {scenario.text}")

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


def show(results: Sequence[Result], seed: int, *, as_json: bool) -> None:
    """The report."""
    if as_json:
        passed = bool(results) and all(result.passed for result in results)
        found = [result.as_json() for result in results]
        house.as_json({"passed": passed, "seed": seed, "bound": BOUND, "scenarios": found})
        return
    console = house.console
    console.print(_scenarios(results))
    console.print(_fates(results))
    console.print(_lateness(results))
    console.print(LEGEND, highlight=False)
    for result in results:
        for note in result.notes:
            console.print(f"{result.name}: {note}", markup=False)
    console.print(_verdict(results, seed))


def _scenarios(results: Sequence[Result]) -> Table:
    made = house.table("scenario", "pairs", "lost", "wrong", "twice", "early", "stall", "drain", "<")
    for one in results:
        wrong, twice = one.wrong + one.disagreements, f"{one.duplicates}/{one.bound}"
        counts = map(str, (one.pairs, one.lost, wrong, twice, one.early))
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


def _lateness(results: Sequence[Result]) -> Table:
    """How late attempts were after a wait, over all scenarios; the faults are in it."""
    late: defaultdict[str, list[int]] = defaultdict(list)
    for result in results:
        for tier, values in result.lateness_ms.items():
            late[tier] += values
    made = house.table("tier", "attempts", "lateness p50 ms", "p99 ms")
    for tier, values in late.items():
        percentiles = (timing.percentile(values, 0.5), timing.percentile(values, 0.99))
        made.add_row(tier, *map(str, (len(values), *percentiles)))
    return made


def _verdict(results: Sequence[Result], seed: int) -> str:
    pairs, lost = sum(one.pairs for one in results), sum(one.lost for one in results)
    failed = [result.name for result in results if not result.passed]
    repeat = f"To repeat: distributary verify --seed {seed} --faults {','.join(failed or ['...'])}"
    if failed or not results:
        return f"[red]FAILED: {', '.join(failed) or 'nothing was played'}. {repeat}"
    played = f"{len(results)} scenarios, {pairs} event-destination pairs"
    return f"[green]passed[/]: {played}, lost {lost}. Seed {seed}"


def listing(scenarios: Sequence[Scenario]) -> None:
    """Every scenario with its line."""
    width = max(len(one.name) for one in scenarios)
    for one in scenarios:
        sys.stdout.write(f"{one.name:{width}}  {one.text}{' (local Kafka only)' if one.only_local else ''}\n")
