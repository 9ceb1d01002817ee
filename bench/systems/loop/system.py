"""The featureless loop, in an environment of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.systems import python
from bench.systems.base import Task, Workload

HERE = Path(__file__).parent


class Loop:
    """One process, whatever the task's `workers` say."""

    name = "loop"
    title = "hand-written loop: confluent-kafka + pyreqwest"
    version = "confluent-kafka 2.16.1, pyreqwest 0.15.1, uvloop 0.23.0"

    def paces(self) -> Mapping[Workload, int]:
        return {
            Workload.ROUTE: 30_000,
            Workload.DELIVER: 12_000,
            Workload.BATCHED: 60_000,
            Workload.END_TO_END: 10_000,
            Workload.RETRY: 8_000,
        }

    def install(self, home: Path) -> None:
        python.install(home, HERE / "requirements.txt")

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        return [python.start(task, home, "bench.systems.loop.program")]


SYSTEM = Loop()
