"""One call of the bench: who plays, how long, and where the results go."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench.results import Results
from bench.stage import Stage
from bench.systems.base import System, Workload

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """How thorough it is to be."""

    runs: int = 3  #: of each system at each workload
    seconds: float = 4.0  #: that a run should last, after its warm-up
    events: int | None = None  #: instead: records that each run begins with, whatever the system
    quick: bool = False  #: the same experiments at a smaller size

    def of(self, whole: Sequence[T], quick: Sequence[T]) -> Sequence[T]:
        """The sizes of an experiment, by how thorough it is to be."""
        return quick if self.quick else whole


QUICK = Order(runs=1, seconds=2.0, quick=True)


@dataclass
class Session:
    """What every experiment needs."""

    order: Order
    home: Path  #: where systems are installed and runs leave their logs
    stage: Stage
    systems: Sequence[System]
    results: Results
    file: Path  #: of the results, written after every run
    began: float = field(default_factory=time.monotonic)

    def home_of(self, system: System) -> Path:
        return self.home / "systems" / system.name

    def able(self, workload: Workload) -> list[System]:
        """The systems that can do it."""
        return [system for system in self.systems if workload in system.paces()]

    @property
    def ours(self) -> System | None:
        return next((system for system in self.systems if system.name == "distributary"), None)

    def say(self, line: str) -> None:
        print(f"{time.monotonic() - self.began:6.0f} s  {line}", flush=True)

    def save(self) -> None:
        self.results.write(self.file)
