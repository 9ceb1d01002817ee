"""All that can happen to processes, at random moments and across each other. Local Kafka only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.demo.broker import LocalKafka
from streams.producer import SETTINGS
from streams.verify.faults.base import Scenario
from streams.verify.faults.frozen import stood_still
from streams.verify.processes import Worker
from streams.verify.stage import Stage

#: How long one fault lasts on average, what follows from it included.
EACH_S = 9.0
#: Fewer workers than this are never left by a leave, and there are never more by a join.
FEWEST, MOST = 2, 4
#: Longer than the producer's delivery timeout: records are given up, and written again.
OUTAGE_S = float(str(SETTINGS["delivery.timeout.ms"])) / 1000 + 3


@dataclass(frozen=True)
class RandomFaults(Scenario):
    """--kills faults; while a worker is frozen, others are killed, leave, and lose the broker."""

    def lasts(self, kills: int) -> float:
        return EACH_S * kills

    def inject(self, stage: Stage) -> None:
        storm = _Storm(stage)
        for number in range(stage.kills):
            stage.wait_written(0.95 * (number + stage.chance.random()) / stage.kills)
            stage.supervise()
            storm.thaw_due(number)
            storm.strike(number)
        storm.thaw_due(stage.kills + MOST)
        stage.figures |= {f"faults: {what}": count for what, count in sorted(storm.counts.items())}


@dataclass
class _Storm:
    """What is going on."""

    stage: Stage
    frozen: dict[Worker, int] = field(default_factory=dict)  #: until which fault each stands still
    counts: dict[str, float] = field(default_factory=dict)

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.stage.alive if worker not in self.frozen]

    def strike(self, number: int) -> None:
        """One of the faults; the most frequent is the death of a worker."""
        faults: dict[str, tuple[int, Callable[[], None]]] = {
            "worker killed": (6, self._kill),
            "worker frozen": (3, lambda: self._freeze(number)),
            "worker joined": (2, self._join),
            "worker left": (2, self._leave),
            "broker killed": (2, lambda: self._broker(LocalKafka.kill, self.stage.chance.uniform(0, 4))),
            "broker stopped": (1, lambda: self._broker(LocalKafka.stop, self._outage())),
        }
        weights = [weight for weight, _ in faults.values()]
        [what] = self.stage.chance.choices(list(faults), weights)
        self.counts[what] = self.counts.get(what, 0) + 1
        faults[what][1]()

    def thaw_due(self, number: int) -> None:
        """Let those go on whose time it is."""
        for worker in [worker for worker, until in self.frozen.items() if until <= number]:
            worker.thaw()
            del self.frozen[worker]
            self.stage.mark(f"{worker.name} goes on")

    def _kill(self) -> None:
        victim = self.stage.chance.choice(self.stage.alive)
        victim.doomed = True
        self.frozen.pop(victim, None)
        self.stage.kill(victim)
        self.stage.start_worker(ready=False)

    def _freeze(self, number: int) -> None:
        """For one to three faults: some are back before their session has ended, most are not."""
        if len(self.running) < FEWEST:
            self._join()
        victim = self.stage.chance.choice(self.running)
        victim.freeze()
        self.stage.mark(f"{victim.name} freezes")
        self.stage.strikes.append(stood_still(self.stage, f"{victim.name} frozen"))
        self.frozen[victim] = number + self.stage.chance.randint(1, 3)

    def _join(self) -> None:
        if len(self.stage.alive) < MOST:
            self.stage.mark("a worker joins")
            self.stage.start_worker(ready=False)

    def _leave(self) -> None:
        if len(self.running) <= FEWEST:
            self.stage.start_worker()
        leaver = self.running[0]
        leaver.doomed = True
        self.stage.mark(f"{leaver.name} leaves")
        leaver.terminate()

    def _broker(self, end: Callable[[LocalKafka], None], for_s: float) -> None:
        committed, _ = self.stage.extent()
        broker = self.stage.kafka.local
        self.stage.mark("the broker is gone")
        end(broker)
        time.sleep(for_s)
        broker.start()
        self.stage.struck("the broker was gone", committed=committed, holds=True)

    def _outage(self) -> float:
        return self.stage.chance.choice((0.0, 2.0, 8.0, OUTAGE_S))


SCENARIOS: tuple[Scenario, ...] = (
    RandomFaults(
        "random-faults",
        "kills, freezes, joins, leaves and broker outages at random moments, --kills of them",
        only_local=True,
    ),
)
