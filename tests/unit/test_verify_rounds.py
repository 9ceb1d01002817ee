"""`--duration` and `--rate`: rounds with seeds of their own, summed, and a load that stretches."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.codec import encode_avro, encode_json
from streams.flight import Record
from streams.headers import Source
from streams.verify import copies, result, run
from streams.verify.cast import Planned
from streams.verify.faults.base import Scenario
from streams.verify.options import Options
from streams.verify.report import Live, as_object
from streams.verify.result import Played, Result
from streams.verify.timing import Course, Spread

A, B = Scenario("a", "one"), Scenario("b", "another")
LOCAL = Scenario("c", "the broker goes", only_local=True)


@dataclass
class Stand:
    """Stands in for the playing: each scenario takes ten seconds of a clock of its own."""

    now: float = 0.0
    played: list[tuple[str, int]] = None  # type: ignore[assignment]

    def play(self, _options: Options, scenario: Scenario, seed: int, *_: object) -> Result:
        self.played.append((scenario.name, seed))
        self.now += 10
        return Result(scenario.name, scenario.text, seed, pairs=100)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand(played=[])

    @contextmanager
    def kafkas(_config: object, _folder: Path) -> Iterator[Any]:
        yield SimpleNamespace(local=False, of=lambda _brokers: None)

    monkeypatch.setattr("streams.verify.run.play", made.play)
    monkeypatch.setattr("streams.verify.run.kafkas.found", kafkas)
    monkeypatch.setattr("streams.verify.run.time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def play_all(scenarios: list[Scenario], seconds: float = 0.0) -> Played:
    return run.play_all(Options(duration_s=seconds), scenarios, 7, Live(quiet=True))


def test_without_a_duration_each_scenario_is_played_once(stand: Stand) -> None:
    played = play_all([A, B])
    assert stand.played == [("a", 7), ("b", 7)]
    assert played.pairs == 200
    assert played.passed


def test_rounds_go_on_until_the_time_is_over_each_with_a_seed_of_its_own(stand: Stand) -> None:
    # Given scenarios of ten seconds, when they are played for 45 s
    played = play_all([A, B], 45)

    # Then the one that was under way at the end is the last, and the seeds are always the same ones
    assert [name for name, _ in stand.played] == ["a", "b", "a", "b", "a"]
    seeds = [seed for name, seed in stand.played if name == "a"]
    assert len(set(seeds)) == 3
    assert seeds == [7, run.seed_of(7, 1), run.seed_of(7, 2)]
    assert [(one.name, one.rounds, one.pairs) for one in played.results] == [("a", 3, 300), ("b", 2, 200)]


def test_the_first_round_is_played_in_full_however_short_the_time(stand: Stand) -> None:
    play_all([A, B], 1)
    assert [name for name, _ in stand.played] == ["a", "b"]


def test_what_cannot_be_played_is_named_and_is_no_success_by_itself(stand: Stand) -> None:
    played = play_all([LOCAL], 100)
    assert stand.played == []
    assert played.left_out == {"c": "it stops the broker, which only a local Kafka is for"}
    assert not played.passed
    assert as_object(played)["left_out"] == played.left_out


def round_of(seed: int, **more: Any) -> Result:
    made = Result("a", "one", seed, pairs=10, events=5, duplicates=2, bound=9, took_s=1.5, stall_s=1.0)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_rounds_add_up_and_the_worst_of_them_counts() -> None:
    # Given three rounds, the second with a stall, a loss, and what only it found
    results: list[Result] = []
    spread = {"300ms": Spread([5, 7])}
    for one in (
        round_of(7, expected=Counter(delivered=10), lateness_ms=spread, courses=[Course()], strikes=["x"]),
        round_of(8, stall_s=4.0, lost=1, failures=["e1 is lost"], notes=["hm"], lateness_ms=spread),
        round_of(9, stall_s=2.0, expected=Counter(delivered=9), courses=[Course()], strikes=["y"]),
    ):
        result.add_to(results, one)

    # Then they are one
    [total] = results
    assert (total.rounds, total.pairs, total.events, total.lost) == (3, 30, 15, 1)
    assert (total.duplicates, total.bound, total.took_s, total.stall_s) == (6, 27, 4.5, 4.0)
    assert total.expected == {"delivered": 19}
    assert total.lateness_ms == {"300ms": Spread({5: 2, 7: 2})}
    assert (len(total.courses), total.strikes) == (2, ["x", "y"])
    assert total.notes == ["seed 8: hm"]
    assert total.failures == ["seed 8: e1 is lost"]
    assert not total.passed


def test_of_many_failures_so_many_are_kept() -> None:
    results: list[Result] = []
    for seed in range(30):
        result.add_to(results, round_of(seed, failures=["lost"] * 3))
    assert len(results[0].failures) == result.SHOWN
    assert not results[0].passed


def test_a_duration_that_is_none_is_refused() -> None:
    told = CliRunner().invoke(app, ["verify", "--duration", "soon"])
    assert told.exit_code == 1
    assert "'soon' is not a duration" in str(told.exception)


@pytest.mark.parametrize("encode", [encode_json, encode_avro])
def test_a_record_that_the_load_wrote_twice_is_expected_twice(encode: Callable[[Any], bytes]) -> None:
    # Given three records of which one is written again elsewhere, and two that are no copies
    planned = {Source("t", 0, n): Planned(f"e{n}", {}, {"crm": "delivered"}) for n in range(3)}
    event = {"type": "track", "event": "x", "userId": "u"}
    records = [
        Record("t", partition, offset, 0, None, value, ())
        for partition, offset, value in (
            (0, 1, encode({**event, "messageId": "e1"})),  # the place that is known
            (1, 9, encode({**event, "messageId": "e1"})),
            (1, 10, encode({**event, "messageId": "somebody else's"})),
            (1, 11, b"{"),
            (1, 12, encode({**event, "messageId": "e2"})),  # written on purpose by a scenario
            (1, 13, encode({**event, "messageId": "e3"})),  # confirmed without a place
        )
    ]

    # When they are looked through
    unplaced = Planned("e3", {}, {"crm": "dead 400"})
    found = copies.among(records, planned, {Source("t", 1, 12)}, [unplaced])

    # Then the copy has the fate of its event
    assert found == {Source("t", 1, 9): planned[Source("t", 0, 1)], Source("t", 1, 13): unplaced}
