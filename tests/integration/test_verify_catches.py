"""`distributary verify` can fail: it finds each of four mistakes that we make on purpose."""

import time
from dataclasses import dataclass, replace

from streams.verify.cast import CHOOSY, SLOW, STEADY
from streams.verify.faults.base import Alone, Scenario
from streams.verify.result import Result
from streams.verify.stage import Stage
from tests.integration.plays import played

#: Requests are under way at any moment, so that it shows what becomes of them.
BUSY = (STEADY, SLOW, CHOOSY)
NO_FAULT = Scenario("no-fault", "load, and nothing else", roles=BUSY, seconds=2.0)


@dataclass(frozen=True)
class Killed(Alone):
    """The only worker dies between commits, with requests of 0.4 s under way; others come."""

    def counts(self, events: int) -> int:
        return 30 * events

    def inject(self, stage: Stage) -> None:
        topic = stage.names.deliver(SLOW.name)

        def committed() -> bool:
            return sum(at for place, at in stage.extent()[0].items() if place.topic == topic) > 100

        stage.wait(f"commits on {topic}", committed)
        [victim] = stage.workers
        victim.doomed = True
        stage.kill(victim)
        for _ in range(2):
            stage.start_worker(ready=False)
        stage.load.stop()


KILL = Killed("kill", "SIGKILL with requests under way", roles=BUSY, seconds=120.0)


@dataclass(frozen=True)
class Join(Scenario):
    """A worker joins, and another leaves what it has in hand to those who stay.

    The load lasts as long as these take, however slowly a worker starts and a group comes together.
    """

    def counts(self, events: int) -> int:
        return 30 * events

    def inject(self, stage: Stage) -> None:
        stage.start_worker()
        stage.wait_members(3)  # a leaver commits nothing before its group has come together
        time.sleep(1)
        leaver = stage.alive[0]
        leaver.doomed = True
        leaver.terminate()
        stage.load.stop()


#: Fewer slots than there are events for them: what a worker has in hand it has not begun, mostly.
SLOTS = 8
SCARCE = (STEADY, replace(SLOW, in_flight=SLOTS), CHOOSY)
JOIN = Join("join", "a join and a leave under load", roles=SCARCE, seconds=120.0)


@played((JOIN, ""))
def test_without_a_mistake_it_passes(result: Result) -> None:
    assert result.failures == []


@played((KILL, "commit-before-settle"))
def test_a_commit_before_the_outcome_is_written_is_found(result: Result) -> None:
    assert result.lost > 0
    assert result.unaccounted == result.lost
    assert not result.passed


@played((NO_FAULT, "forget-source"))
def test_a_forgotten_source_header_is_found(result: Result) -> None:
    assert result.lost > 0
    assert result.unaccounted > 0
    assert not result.passed


@played((NO_FAULT, "release-early"))
def test_an_early_release_is_found(result: Result) -> None:
    assert result.early > 0
    assert result.lost == 0
    assert not result.passed


@played((JOIN, "drop-on-revoke"))
def test_what_is_dropped_on_revoke_is_found(result: Result) -> None:
    assert result.lost > 0
    # An event that was not even routed is lost to three destinations. What the mistake counted as finished
    # may still be under way when the sums are made, in a slot of one of three workers: that is not lost.
    assert 0 < result.unaccounted <= result.lost + 3 * SLOTS
    assert not result.passed
