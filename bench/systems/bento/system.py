"""Bento in streams mode, by a program that is on this machine already.

It is not built here: where this was written, the Go module proxy served neither Bento nor Redpanda Connect.
The variable BENTO names the program, or `bento` is on the PATH. Any build with the components io, kafka and
pure will do.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.systems.base import Task, Unavailable, Workload
from bench.systems.bento import streams
from streams.demo import leash

#: What the configs were written for.
VERSION = "1.20.0"

#: For all streams of the process: no API, no metrics; a log of what goes wrong.
ROOT: dict[str, Any] = {
    "http": {"enabled": False},
    "metrics": {"none": {}},
    "logger": {"level": "WARN"},
    "shutdown_timeout": "4s",
}


class Bento:
    """One process per worker, each with one stream per topic that is read."""

    name = "bento"
    title = "Bento (Redpanda Connect's fork)"
    version = f"bento {VERSION}, a program of this machine"

    def paces(self) -> Mapping[Workload, int]:
        return {
            Workload.ROUTE: 8_000,
            Workload.DELIVER: 6_000,
            Workload.BATCHED: 20_000,
            Workload.END_TO_END: 3_000,
            Workload.RETRY: 3_000,
        }

    def install(self, home: Path) -> None:
        """Only look whether it runs."""
        subprocess.run([program(), "--version"], check=True, capture_output=True)

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        folder = task.folder / "streams"
        folder.mkdir()
        for name, stream in streams.of(task).items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(stream, sort_keys=False))
        root, shared = task.folder / "bento.yaml", task.folder / "resources.yaml"
        root.write_text(yaml.safe_dump(ROOT))
        shared.write_text(yaml.safe_dump(streams.resources(task)))
        command = [program(), "-c", str(root), "-r", str(shared), "streams", "--no-api", str(folder)]
        return [leash.start(command, task.folder / f"bento-{number}.log") for number in range(task.workers)]


def program() -> str:
    found = os.environ.get("BENTO") or shutil.which("bento")
    if not found:
        raise Unavailable("no Bento: put `bento` on the PATH, or name a program by BENTO=/path/to/bento")
    return found


SYSTEM = Bento()
