"""`random-faults`: whatever it draws, it leaves behind a system that can finish its work."""

import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from streams.verify.faults import mixed
from streams.verify.faults.mixed import FEWEST, MOST, RandomFaults


@dataclass(eq=False)
class Worker:
    name: str
    alive: bool = True
    still: bool = False
    doomed: bool = False

    def freeze(self) -> None:
        assert self.alive
        self.still = True

    def thaw(self) -> None:
        assert self.alive
        assert self.still
        self.still = False

    def terminate(self) -> None:
        assert not self.still  # it could not hear it
        self.alive = False


@dataclass
class Stage:
    """Stands in for the real one, and watches over the workers."""

    chance: random.Random
    kills: int
    workers: list[Worker] = field(default_factory=list)
    strikes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    broker: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workers = [Worker("w1"), Worker("w2")]
        self.kafka = SimpleNamespace(local=SimpleNamespace(start=lambda: self.broker.append("start")))

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def start_worker(self, *, ready: bool = True) -> Worker:
        self.workers.append(Worker(f"w{len(self.workers) + 1}"))
        return self.workers[-1]

    def kill(self, worker: Worker) -> None:
        worker.alive = worker.still = False
        self.struck(worker.name)

    def struck(self, what: str, **_: Any) -> None:
        self.strikes.append(what)

    def mark(self, what: str) -> None:
        self.marks.append(what)

    def extent(self) -> tuple[dict[str, int], dict[str, int]]:
        return {}, {}

    def wait_written(self, share: float) -> None:
        assert 0 <= share <= 0.95
        assert 1 <= len(self.alive) <= MOST + 1

    def supervise(self) -> None:
        pass


@pytest.fixture(autouse=True)
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "LocalKafka", SimpleNamespace(kill=lambda _: None, stop=lambda _: None))
    monkeypatch.setattr(mixed, "stood_still", lambda stage, what: what)
    monkeypatch.setattr("streams.verify.faults.mixed.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize("seed", range(40))
def test_it_leaves_a_broker_and_workers_that_run(seed: int) -> None:
    # Given 30 faults drawn from a seed, when all have happened
    stage = Stage(random.Random(seed), 30)
    RandomFaults("random-faults", "").inject(stage)  # type: ignore[arg-type]

    # Then somebody is there to finish, nobody stands still, and the broker is back
    assert stage.alive
    assert not any(worker.still for worker in stage.workers)
    assert len(stage.broker) == sum(count for what, count in stage.figures.items() if "broker" in what)
    assert sum(stage.figures.values()) == 30


def test_the_same_seed_makes_the_same_faults_and_all_kinds_come() -> None:
    first, again = (Stage(random.Random(7), 60) for _ in range(2))
    for stage in (first, again):
        RandomFaults("random-faults", "").inject(stage)  # type: ignore[arg-type]
    assert first.marks == again.marks
    assert len(first.figures) == 6
    assert FEWEST < MOST
