"""The scenarios: found by name, and every failpoint among them."""

import json

import pytest
from typer.testing import CliRunner

from streams import failpoints
from streams.cli import app
from streams.verify import faults, processes
from streams.verify.faults.base import Alone
from streams.verify.result import Result
from streams.verify.timing import Spread


def test_names_are_unique_and_every_scenario_says_what_it_does() -> None:
    names = [one.name for one in faults.SCENARIOS]
    assert len(set(names)) == len(names)
    assert all(one.text for one in faults.SCENARIOS)


def test_a_worker_is_killed_at_every_failpoint() -> None:
    armed = ",".join(one.points for one in faults.SCENARIOS if isinstance(one, Alone) and one.points)
    assert {point for point, _ in failpoints.parse(armed)} | {"mid-replay"} == set(failpoints.POINTS)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("poison", ["poison"]),
        ("poison, frozen", ["frozen", "poison"]),
        ("broker-*", ["broker-killed", "broker-stopped", "broker-lost"]),
        (None, [one.name for one in faults.SCENARIOS]),
    ],
)
def test_scenarios_are_chosen_by_name(names: str | None, expected: list[str]) -> None:
    assert [one.name for one in faults.chosen(names)] == expected


def test_a_scenario_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(LookupError, match=r"no scenario 'frosen'; there are: kill-after-fetch, .*frozen"):
        faults.chosen("poison,frosen")


def test_the_list_is_one_line_for_each() -> None:
    shown = CliRunner().invoke(app, ["verify", "--list"])
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [one.name for one in faults.SCENARIOS]


def test_a_result_passes_only_without_failures_and_its_json_is_short() -> None:
    result = Result("n", "t", lateness_ms={"300ms": Spread([1, 2, 900])})
    assert result.as_json()["passed"]
    assert result.as_json()["lateness_ms"] == {"300ms": {"count": 3, "p50": 2, "p99": 900}}
    result.failures.append("something")
    assert not json.loads(json.dumps(result.as_json()))["passed"]


def test_a_shells_settings_of_a_worker_do_not_reach_all_workers() -> None:
    command = processes.environment("after-fetch:1=kill", ["distributary"])
    assert command[-2:] == ["DISTRIBUTARY_FAILPOINTS=after-fetch:1=kill", "distributary"]
    assert "DISTRIBUTARY_INSTANCE_ID" in command
