"""Processes of a test, and waiting for what they do."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import yaml

from streams.demo import leash, ports

T = TypeVar("T")


def wait_until(what: str, condition: Callable[[], T], within_s: float = 60, every_s: float = 0.05) -> T:
    """The condition's value as soon as it is true; fails with `what` when it never is."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(every_s)
    return value


@contextmanager
def interruptible() -> Iterator[None]:
    """What is started meanwhile ends by SIGINT. Else it would ignore it wherever we do: a shell that starts
    a job in the background lets it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def stands_still(pid: int) -> bool:
    """Whether a process was stopped (SIGSTOP), by others or by itself at a failpoint."""
    asked = ["ps", "-o", "stat=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.startswith("T")


class Worker:
    """`distributary worker` as a process of its own that ends with the test."""

    def __init__(
        self, config: Path, log: Path, env: Mapping[str, str], *options: str, module: str = "streams.cli"
    ) -> None:
        self.log = log
        self.port: int = yaml.safe_load(config.read_text())["worker"]["port"]
        given = [f"{name}={value}" for name, value in env.items()]
        command = ["env", *given, sys.executable, "-m", module, "worker", "--config", str(config)]
        self.process = leash.start([*command, *options], log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def text(self) -> str:
        """Everything it has logged."""
        return self.log.read_text(errors="replace")

    def wait_ready(self, within_s: float = 60) -> None:
        """Return when it is started; it may still be waiting for partitions (`World.wait_members`)."""
        wait_until(
            f"worker.ready in {self.log}", lambda: "worker.ready" in self.text() or not self.alive, within_s
        )
        assert self.alive, f"the worker ended:\n{self.text()[-3000:]}"

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL, 10)

    def terminate(self, within_s: float = 40) -> float:
        """SIGTERM; how long it took to end, in seconds. Its exit status must be 0."""
        took = self._end(signal.SIGTERM, within_s)
        assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.text()[-3000:]}"
        return took

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def get(self, path: str) -> httpx.Response:
        """Ask its own pages; it must have been started with a port."""
        return httpx.get(f"http://{ports.LOOPBACK}:{self.port}{path}", timeout=20, trust_env=False)

    def _end(self, how: signal.Signals, within_s: float) -> float:
        began = time.monotonic()
        if self.alive:
            self.process.send_signal(how)
            self.process.wait(within_s)
        if self.process.stdin is not None and not self.process.stdin.closed:
            leash.let_go(self.process)
        return time.monotonic() - began


class Ran(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)
