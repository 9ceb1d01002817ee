"""Faust agents with httpx, in an environment of their own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.systems import python
from bench.systems.base import Task, Workload

HERE = Path(__file__).parent


class Faust:
    """One process per worker."""

    name = "faust_httpx"
    title = "stock Faust agents + httpx"
    version = "faust-streaming 0.15.3, httpx 0.28.1"

    def paces(self) -> Mapping[Workload, int]:
        return {
            Workload.ROUTE: 500,
            Workload.DELIVER: 400,
            Workload.BATCHED: 2_000,
            Workload.END_TO_END: 300,
            Workload.RETRY: 300,
        }

    def install(self, home: Path) -> None:
        python.install(home, HERE / "requirements.txt")

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        numbers = map(str, range(task.workers))
        return [python.start(task, home, "bench.systems.faust_httpx.program", number) for number in numbers]


SYSTEM = Faust()
