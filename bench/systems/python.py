"""Python systems: each has a virtual environment of its own, and a module of ours that reads the task from a
file and is run there."""

import json
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from bench.systems.base import Task, Unavailable
from streams.demo import leash

ROOT = Path(__file__).parents[2]


def install(home: Path, requirements: Path) -> None:
    """Make `home`/venv with exactly what `requirements` pins; nothing when that has been done.

    Raises Unavailable with pip's last words.
    """
    wanted = sha256(requirements.read_bytes()).hexdigest()
    mark = home / "venv" / "installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"installing {requirements.parent.name} into {home}/venv")
    _run(sys.executable, "-m", "venv", "--clear", str(home / "venv"))
    options = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    _run(str(interpreter(home)), "-m", "pip", "install", *options, "--requirement", str(requirements))
    mark.write_text(wanted)


def interpreter(home: Path) -> Path:
    return home / "venv" / "bin" / "python"


def start(task: Task, home: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Run a module with the path of the task's file and the arguments; it sees this checkout, but of what is
    installed only its own environment."""
    file = task.folder / "task.json"
    file.write_text(json.dumps(asdict(task), default=str))
    log = task.folder / f"{'-'.join((module.rpartition('.')[2], *arguments))}.log"
    at_root = ["env", f"PYTHONPATH={ROOT}"]
    return leash.start([*at_root, str(interpreter(home)), "-m", module, str(file), *arguments], log)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise Unavailable(f"{' '.join(command[:4])} failed: {' '.join(last)}")
