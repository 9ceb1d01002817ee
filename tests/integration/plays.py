"""`distributary verify` played with workers that have a mistake in them, two plays at a time.

    @played((NO_FAULT, "forget-source"))
    def test_a_forgotten_source_header_is_found(result: Result) -> None:
        assert result.lost > 0

A play waits more than it works, so the plays of all tests that were chosen go on side by side from the
first one on; each has topics, destinations and workers of its own.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.verify import report, run
from streams.verify.faults.base import Scenario
from streams.verify.options import Options
from streams.verify.result import Result
from tests.broker import Broker

#: Plays under way at once: on two cores more would only slow one another down.
TOGETHER = 2


class Play(NamedTuple):
    """A scenario, and the mistake in its workers: a name in `mutants.MUTANTS`, or none."""

    scenario: Scenario
    mutant: str = ""

    @property
    def name(self) -> str:
        return f"{self.scenario.name}-{self.mutant}" if self.mutant else self.scenario.name


#: The name of each play that was chosen, and what comes of it.
Plays = dict[str, Future[Result]]


def played(*plays: tuple[Scenario, str]) -> pytest.MarkDecorator:
    """Run the test for each of these, with what verify says of it as `result`."""
    chosen = [Play(*one) for one in plays]
    return pytest.mark.parametrize("result", chosen, indirect=True, ids=lambda one: one.name)


@pytest.fixture(scope="session")
def plays(
    request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plays]:
    """All plays of this run, begun in the order of their tests."""
    folder = tmp_path_factory.mktemp("plays")
    config = _where(broker, folder)
    with ThreadPoolExecutor(TOGETHER) as threads:
        begun = {
            one.name: threads.submit(_play, one, config, folder / one.name)
            for one in _chosen(request.session.items)
        }
        yield begun
        threads.shutdown(cancel_futures=True)


@pytest.fixture
def result(request: pytest.FixtureRequest, plays: Plays) -> Result:
    """What verify says of the test's play."""
    return plays[request.param.name].result()


def _chosen(items: Sequence[pytest.Item]) -> Iterator[Play]:
    """What the tests that are to run ask for."""
    for item in items:
        if isinstance(item, pytest.Function) and "plays" in item.fixturenames:
            chosen = item.callspec.params["result"]
            assert isinstance(chosen, Play)
            yield chosen


def _where(broker: Broker, folder: Path) -> Path:
    """A config file that says no more than where Kafka is."""
    path = folder / "ours.yaml"
    path.write_text(
        f"inbound: {{topic: ours}}\nkafka: {{bootstrap_servers: '{broker.bootstrap_servers}'}}\n"
        "destinations: [{name: ours, connector: webhook, settings: {url: 'https://example.com'}}]\n"
    )
    return path


def _play(one: Play, config: Path, folder: Path) -> Result:
    source = f"PYTHONPATH={Path(__file__).parents[2]}"  # what is compiled can't be broken
    command = ("env", source, f"MUTANT={one.mutant}", sys.executable, "-m", "tests.integration.mutants")
    options = Options(config=config, seed=1, events=400, keep=folder, command=command)
    [result] = run.play_all(options, [one.scenario], 1, report.Live(quiet=True)).results
    return result
