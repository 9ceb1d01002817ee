"""Workers that die: at the worst moments on purpose, and at random ones."""

from dataclasses import dataclass

from streams import failpoints
from streams.verify.cast import CHOOSY, SLOW, STEADY
from streams.verify.faults.base import Alone, Scenario
from streams.verify.processes import Worker
from streams.verify.stage import Stage


@dataclass(frozen=True)
class KillAt(Alone):
    """A worker kills itself at a failpoint; two others come."""

    def inject(self, stage: Stage) -> None:
        [victim, *_] = stage.workers
        stage.wait(f"{victim.name} dies at {self.points}", lambda: not victim.alive, 30)
        stage.struck(f"{victim.name} killed at {self.points}")
        stage.start_worker(ready=False)
        stage.start_worker(ready=False)


@dataclass(frozen=True)
class KillMidRebalance(KillAt):
    """As it gives partitions back to a worker that joins."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.3)
        stage.start_worker(ready=False)
        super().inject(stage)


@dataclass(frozen=True)
class RandomKills(Scenario):
    """A worker dies at a random moment, another comes; again and again."""

    def lasts(self, kills: int) -> float:
        return 9.0 * kills

    def inject(self, stage: Stage) -> None:
        for number in range(stage.kills):
            stage.wait_members(2)
            stage.wait_written(0.95 * (number + stage.chance.random()) / stage.kills)
            victim: Worker = stage.chance.choice(stage.alive)
            victim.doomed = True
            stage.kill(victim)
            stage.start_worker()


#: How often a point is hit before: late enough for some load, early enough to be hit at all.
HITS = {"after-fetch": 9, "after-route-produce": 7, "before-send": 60, "after-answer": 60,
        "after-settle": 60, "while-releasing": 8}  # fmt: skip

SCENARIOS: tuple[Scenario, ...] = (
    *(
        KillAt(f"kill-{point}", f"SIGKILL when {failpoints.POINTS[point]}", points=f"{point}:{hit}=kill")
        for point, hit in HITS.items()
    ),
    KillMidRebalance(
        "kill-mid-rebalance",
        f"SIGKILL when {failpoints.POINTS['mid-rebalance']}",
        points="mid-rebalance:1=kill",
        roles=(STEADY, SLOW, CHOOSY),
        seconds=12.0,  # the other one has to start first
    ),
    RandomKills("random-kills", "SIGKILL at random moments, --kills times"),
)
