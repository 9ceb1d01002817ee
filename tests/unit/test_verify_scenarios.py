"""The scenarios: found by name, and every failpoint among them."""

import json
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from streams import failpoints
from streams.cli import app
from streams.demo import ports
from streams.verify import cast, destination, faults, processes
from streams.verify.cast import USUAL
from streams.verify.faults.base import Alone
from streams.verify.judge import Result
from streams.verify.processes import Destination
from tests.unit.test_verify_script import RULES


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
        ("broker-*", ["broker-killed", "broker-stopped"]),
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
    result = Result("n", "t", lateness_ms={"300ms": [1, 2, 900]})
    assert result.as_json()["passed"]
    assert result.as_json()["lateness_ms"] == {"300ms": {"count": 3, "p50": 2, "p99": 900}}
    result.failures.append("something")
    assert not json.loads(json.dumps(result.as_json()))["passed"]


def test_a_shells_settings_of_a_worker_do_not_reach_all_workers() -> None:
    command = processes.environment("after-fetch:1=kill", ["distributary"])
    assert command[-2:] == ["DISTRIBUTARY_FAILPOINTS=after-fetch:1=kill", "distributary"]
    assert "DISTRIBUTARY_INSTANCE_ID" in command


def test_the_destination_answers_by_script_and_writes_down_what_came(tmp_path: Path) -> None:
    # Given an event that is refused once
    event = cast.planned("e1", {"type": "track"}, {one.name: (503, 200) for one in USUAL}, USUAL, RULES).event
    there = Destination(tmp_path)
    while not ports.answers(there.port):
        time.sleep(0.01)

    # When it is sent three times
    with httpx.Client(trust_env=False) as client:
        answers = [client.post(f"{there.url}/steady", json=dict(event)) for _ in range(3)]
    there.terminate()

    # Then it is answered step by step, and each request is a line
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    lines = destination.arrivals(there.record)
    assert [(one.to, one.event, one.taken) for one in lines] == [
        ("steady", "e1", False), ("steady", "e1", True), ("steady", "e1", True)
    ]  # fmt: skip
