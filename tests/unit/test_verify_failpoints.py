"""Failpoints: what is armed happens at the count it is armed for, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams import failpoints
from streams.failpoints import Armed


def test_nothing_is_armed_unless_it_is_asked_for() -> None:
    assert failpoints.parse("") == {}
    assert not failpoints.ARMED


def test_a_point_acts_at_its_count_and_no_other() -> None:
    armed = Armed(failpoints.parse("after-answer:3=kill,before-send:1=freeze"))
    assert [armed.hit("after-answer") for _ in range(4)] == [None, None, signal.SIGKILL, None]
    assert armed.hit("before-send") is signal.SIGSTOP
    assert armed.hit("after-settle") is None


@pytest.mark.parametrize(
    "text", ["nowhere:1=kill", "after-answer", "after-answer:0=kill", "after-answer:1=sleep"]
)
def test_a_mistake_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"POINT:COUNT=ACTION; points: after-fetch, .*; actions: kill, freeze"
    ):
        failpoints.parse(text)


def test_an_armed_process_is_killed_on_the_spot() -> None:
    script = "from streams.failpoints import hit; hit('mid-replay'); hit('mid-replay'); print('alive')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, failpoints.VARIABLE: "mid-replay:2=kill"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize("point", failpoints.POINTS)
def test_every_point_is_in_one_place_and_costs_no_call_when_nothing_is_armed(point: str) -> None:
    guards = []
    for file in Path(failpoints.__file__).parent.glob("*.py"):
        lines = file.read_text().splitlines()
        guards += [
            lines[number - 1].strip()
            for number, line in enumerate(lines)
            if line.strip() == f'failpoints.hit("{point}")'
        ]
    [guard] = guards
    assert guard.startswith("if failpoints.ARMED")
