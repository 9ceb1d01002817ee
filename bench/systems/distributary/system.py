"""Ourselves, as the image runs us: `distributary worker` with a config file, and compiled (setup.py).

Two workloads need more than a config says today, and so a launcher (`bench.systems.distributary.worker`):
ROUTE runs the router alone, and BATCHED needs a connector that posts 100 events at a time.
"""

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from bench.systems.base import PARTITIONS, Task, Unavailable, Workload
from streams.demo import leash

ROOT = Path(__file__).parents[3]
PACKAGES = ("connectors", "schemas", "streams")


class Distributary:
    """This checkout, compiled."""

    name = "distributary"
    title = "Distributary"
    version = (
        f"distributary {version('distributary')}, faust-streaming {version('faust-streaming')}, "
        f"compiled by mypyc {version('mypy')}"
    )

    def paces(self) -> Mapping[Workload, int]:
        return {
            Workload.ROUTE: 20_000,
            Workload.DELIVER: 8_000,
            Workload.BATCHED: 20_000,
            Workload.END_TO_END: 7_000,
            Workload.RETRY: 6_000,
        }

    def install(self, home: Path) -> None:
        """Nothing: `make bench` has compiled us, and what that runs with is our environment."""
        ready = self.code() / "ready"
        sources = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
        if not ready.exists() or ready.stat().st_mtime < max(file.stat().st_mtime for file in sources):
            raise Unavailable("it is not compiled, or was before the last change: make compiled")

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        return [self.worker(task, number) for number in range(task.workers)]

    def worker(self, task: Task, number: int, *options: str) -> subprocess.Popen[bytes]:
        """One worker of the task; `options` of `distributary worker`."""
        config = task.folder / "distributary.yaml"
        config.write_text(yaml.safe_dump(config_of(task), sort_keys=False))
        paths = ["env", "PYTHONSAFEPATH=1", f"PYTHONPATH={self.code()}:{ROOT}"]
        words = [*paths, *command(task.workload, config), *options]
        return leash.start(words, task.folder / f"worker-{number}.log")

    def code(self) -> Path:
        """Where our packages are imported from."""
        return ROOT / ".compiled"


def command(workload: Workload, config: Path) -> list[str]:
    if workload in (Workload.ROUTE, Workload.BATCHED):
        only = ["--only-route"] if workload is Workload.ROUTE else []
        return [sys.executable, "-m", "bench.systems.distributary.worker", str(config), *only]
    quiet = ["--log-level", "warning"]
    return [sys.executable, "-m", "streams.cli", "worker", "--config", str(config), *quiet]


def config_of(task: Task) -> dict[str, Any]:
    """The config file of a task: defaults but for names, addresses and the tiers."""
    connector = "batchhook" if task.workload is Workload.BATCHED else "webhook"
    delay = f"{task.delay_s:g}s"
    return {
        "inbound": {"topic": task.inbound},
        "kafka": {
            "bootstrap_servers": task.bootstrap,
            "prefix": task.prefix,
            "group": task.group,
            "partitions": PARTITIONS,
            "replication_factor": 1,
        },
        "worker": {"host": "127.0.0.1", "port": 0},
        "retry": {"tiers": [delay], "plan": [delay] * 3, "budget": f"{max(3600, 4 * task.delay_s):g}s"},
        "destinations": [
            {
                "name": topic.removeprefix(f"{task.prefix}deliver."),
                "connector": connector,
                "settings": {"url": url},
                "limits": {"in_flight": task.in_flight},
                "network": {"allow_private": True},
            }
            for topic, url in zip(task.deliver, task.urls, strict=True)
        ],
    }


SYSTEM = Distributary()
