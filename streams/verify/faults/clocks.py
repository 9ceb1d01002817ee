"""Clocks of workers that are set while records wait, and one that is wrong from the start.

The destination's clock does not jump: what is early is judged by it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage, Stuck

HOUR_S = 3600.0


def _set(file: Path, off_s: float) -> Path:
    """Let the clock that looks at this file be off by so much, at once."""
    new = file.with_suffix(".new")
    new.write_text(f"{off_s}")
    return new.replace(file)


@dataclass(frozen=True)
class ClockSet(Scenario):
    """The wall clock of one of two workers is set by ten minutes, then by an hour; then the other's."""

    sign: int = 1

    def prepare(self, stage: Stage) -> None:
        for number in (1, 2):
            stage.start_worker(ready=False, clock=_set(stage.folder / f"clock-{number}", 0.0))
        stage.wait_members(2)

    def inject(self, stage: Stage) -> None:
        for share, number, off_s in ((0.2, 1, 600.0), (0.5, 1, HOUR_S), (0.7, 2, HOUR_S), (0.9, 1, 0.0)):
            stage.wait_written(share)
            _set(stage.folder / f"clock-{number}", self.sign * off_s)


@dataclass(frozen=True)
class ClockWrong(Scenario):
    """Beside a worker whose clock is right, one starts an hour ahead and one an hour behind.

    The load lasts until both have had a part in it, however slowly a worker starts.
    """

    def counts(self, events: int) -> int:
        return 4 * events

    def prepare(self, stage: Stage) -> None:
        stage.start_worker(ready=False)
        stage.wait_members(1)

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.05)
        wrong = [
            stage.start_worker(ready=False, clock=_set(stage.folder / f"clock-{number}", off_s))
            for number, off_s in ((2, HOUR_S), (3, -HOUR_S))
        ]
        stage.wait(
            "both notice it before the load is over",
            lambda: all("clock.wrong_at_start" in worker.text() for worker in wrong),
        )
        if not stage.load.running:
            raise Stuck("the load was over before the workers with wrong clocks had a part in it")
        time.sleep(3.0)
        stage.load.stop()


SCENARIOS: tuple[Scenario, ...] = (
    ClockSet("clock-forward", "the clocks of workers jump ahead by 10 min and 1 h while records wait",
             seconds=8.0, drain_s=30.0, once=True, sign=1),
    ClockSet("clock-back", "the clocks of workers jump back by 10 min and 1 h while records wait",
             seconds=8.0, drain_s=30.0, once=True, sign=-1),
    ClockWrong("clock-wrong", "workers start with clocks that are an hour ahead and an hour behind",
               seconds=40.0, drain_s=30.0, once=True, clocks_ms=100),
)  # fmt: skip
