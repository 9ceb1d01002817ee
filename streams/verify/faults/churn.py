"""Workers that come and go in order: every join and every leave moves partitions under load."""

import time
from dataclasses import dataclass

from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage

PAUSE_S = 2.0


@dataclass(frozen=True)
class Churn(Scenario):
    """A join and a leave every few seconds; nothing may be repeated."""

    rounds: int = 4

    def inject(self, stage: Stage) -> None:
        for _ in range(self.rounds):
            stage.start_worker()
            time.sleep(PAUSE_S)
            leaver = stage.alive[0]
            leaver.doomed = True
            leaver.terminate()
            time.sleep(PAUSE_S)


SCENARIOS: tuple[Scenario, ...] = (
    Churn("churn", "a join and a leave (SIGTERM) every few seconds, under load", seconds=20.0, once=True),
)  # fmt: skip
