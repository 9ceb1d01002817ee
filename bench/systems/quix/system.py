"""Quix Streams, in an environment of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.systems import python
from bench.systems.base import Task, Workload

HERE = Path(__file__).parent
PROGRAM = "bench.systems.quix.program"


class Quix:
    """One process per worker; RETRY has one more, as a delay would stop everything else in an application."""

    name = "quix"
    title = "Quix Streams + HTTP sink"
    version = "quixstreams 3.28.1, urllib3 2.8.0"

    def paces(self) -> Mapping[Workload, int]:
        return {
            Workload.ROUTE: 3_000,
            Workload.DELIVER: 1_000,
            Workload.BATCHED: 8_000,
            Workload.END_TO_END: 800,
            Workload.RETRY: 800,
        }

    def install(self, home: Path) -> None:
        python.install(home, HERE / "requirements.txt")

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        parts = [f"worker-{number}" for number in range(task.workers)]
        if task.workload is Workload.RETRY:
            parts.append("delay")
        return [python.start(task, home, PROGRAM, part) for part in parts]


SYSTEM = Quix()
