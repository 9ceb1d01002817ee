"""Many destinations, some of them well: what each costs, and that a join and a leave are no matter."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.verify import memory
from streams.verify.cast import FEW, STEADY, Role
from streams.verify.destination import Arrival
from streams.verify.faults.base import Scenario
from streams.verify.script import Script
from streams.verify.stage import Stage

COUNT = 200
#: Of every so many destinations one is of this kind; the rest is healthy. Those that are slow or dead get
#: one event in seven, as in `hostile-destinations`.
KINDS: Sequence[tuple[int, str, tuple[tuple[int, Script], ...], tuple[str, ...] | None]] = (
    (20, "dead", ((1, ("hang",)),), FEW),
    (10, "slow", ((1, ({"status": 200, "after": 0.6},)),), FEW),
    (9, "failing", ((1, (503,)), (2, (503, 200))), None),
    (7, "refusing", ((1, (400,)), (1, (401,))), None),
)
MEMORY, READY = "worker memory, peak MB", "until both workers were ready, s"


def _role(number: int) -> Role:
    for every, kind, answers, types in KINDS:
        if number % every == 0:
            return Role(f"{kind}-{number}", answers, types or STEADY.types)
    return Role(f"healthy-{number}")


@dataclass(frozen=True)
class Many(Scenario):
    """A worker joins and another leaves while all of them are busy."""

    largest_mb: float = 500.0

    def counts(self, events: int) -> int:
        """Each is an event for all of them."""
        return max(30, events // 8)

    def prepare(self, stage: Stage) -> None:
        began = time.monotonic()
        memory.watch(stage.workers, lambda mb: stage.figures.update({MEMORY: mb}))
        super().prepare(stage)
        stage.figures[READY] = round(time.monotonic() - began, 1)

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.3)
        committed, _ = stage.extent()
        stage.start_worker(ready=False)
        stage.wait_members(3)
        leaver = stage.alive[0]
        leaver.doomed = True
        stage.figures["until a leaving worker had ended, s"] = round(leaver.terminate(), 1)
        if any("drain.incomplete" in worker.text() for worker in stage.workers):
            # A machine that can't end its requests within the drain repeats them, as is promised.
            stage.notes.append("requests outlasted the drain: this machine is too slow for so much at once")
            stage.struck("a drain ended early", committed=committed, holds=True)

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        if float(stage.figures.get(MEMORY, 0)) > self.largest_mb:
            yield f"a worker took {stage.figures[MEMORY]} MB: more than {self.largest_mb:g} MB"


SCENARIOS: tuple[Scenario, ...] = (
    Many(
        "many-destinations",
        f"{COUNT} destinations, some dead, slow or failing; a join and a leave meanwhile",
        roles=(STEADY, *(_role(number) for number in range(1, COUNT))),
        seconds=15.0,
        drain_s=90.0,
    ),
)
