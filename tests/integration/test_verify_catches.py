"""`distributary verify` can fail: it finds each of four mistakes that we make on purpose."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from streams.verify import faults, report, run
from streams.verify.cast import CHOOSY, SLOW, STEADY
from streams.verify.faults.base import Scenario
from streams.verify.faults.churn import Churn
from streams.verify.options import Options
from streams.verify.result import Result
from streams.verify.stage import Stage
from tests.broker import Broker

#: Requests are under way at any moment, so that it shows what becomes of them.
BUSY = (STEADY, SLOW, CHOOSY)
NO_FAULT = Scenario("no-fault", "load, and nothing else", roles=BUSY, seconds=2.0)
[KILL] = faults.chosen("kill-after-answer")
KILL = replace(KILL, roles=BUSY)


@dataclass(frozen=True)
class Join(Churn):
    """A join and a leave; the load lasts as long as these take, however slowly a worker starts."""

    def counts(self, events: int) -> int:
        return 6 * events

    def inject(self, stage: Stage) -> None:
        super().inject(stage)
        stage.load.stop()


JOIN = Join("join", "a join and a leave under load", roles=BUSY, seconds=54.0, rounds=1)


def played(
    scenario: Scenario, mutant: str, broker: Broker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    """What verify says of workers with this mistake in them."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    command = ("env", f"MUTANT={mutant}", sys.executable, "-m", "tests.integration.mutants")
    options = Options(seed=1, events=400, keep=folder, command=command)
    [result] = run.play_all(options, [scenario], 1, report.Live(quiet=True)).results
    return result


@pytest.mark.parametrize("scenario", [NO_FAULT, JOIN], ids=lambda one: one.name)
def test_without_a_mistake_it_passes(
    scenario: Scenario, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played(scenario, "", broker, tmp_path, monkeypatch).failures == []


def test_a_commit_before_the_outcome_is_written_is_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(KILL, "commit-before-settle", broker, tmp_path, monkeypatch)
    assert result.lost > 0
    assert result.unaccounted == result.lost
    assert not result.passed


def test_a_forgotten_source_header_is_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(NO_FAULT, "forget-source", broker, tmp_path, monkeypatch)
    assert result.lost > 0
    assert result.unaccounted > 0
    assert not result.passed


def test_an_early_release_is_found(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = played(NO_FAULT, "release-early", broker, tmp_path, monkeypatch)
    assert result.early > 0
    assert result.lost == 0
    assert not result.passed


def test_what_is_dropped_on_revoke_is_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(JOIN, "drop-on-revoke", broker, tmp_path, monkeypatch)
    assert result.lost > 0
    assert (
        0 < result.unaccounted <= result.lost
    )  # an event that was not even routed is lost to three destinations
    assert not result.passed
