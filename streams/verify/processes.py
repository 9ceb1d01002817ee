"""The processes of a verification: workers that are killed, frozen and replaced, and the destination."""

import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import TimeoutExpired

from streams import failpoints
from streams.demo import leash, ports

#: How the `distributary` command is run.
COMMAND = (sys.executable, "-m", "streams.cli")
#: What a user's shell may say of a worker, and what must not reach all of ours.
UNSET = ("DISTRIBUTARY_CONFIG", "DISTRIBUTARY_INSTANCE_ID", "DISTRIBUTARY_LOG_JSON", failpoints.VARIABLE)
STOPPED_WITHIN_S = 30.0


class Process:
    """A child that ends with us at the latest."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = leash.start(list(command), log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status; of a process that was killed the signal, negative."""
        return self._process.poll()

    def text(self) -> str:
        """Everything it has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def terminate(self) -> float:
        """SIGTERM; how many seconds it took to end. One that does not within its time is killed."""
        began = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - began

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(how)
            try:
                self._process.wait(STOPPED_WITHIN_S)
            except TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                leash.let_go(self._process)


class Worker(Process):
    """`distributary worker`."""

    def __init__(self, name: str, command: Sequence[str], config: Path, log: Path, points: str = "") -> None:
        verb = [*command, "worker", "--config", str(config)]
        super().__init__(name, environment(points, verb), log)
        self.doomed = bool(points)  #: it will die by itself, as it was told to

    @property
    def ready(self) -> bool:
        return "worker.ready" in self.text()


class Destination(Process):
    """The scripted destination server."""

    def __init__(self, folder: Path) -> None:
        self.port, self.record = ports.free(), folder / "arrivals.jsonl"
        command = [sys.executable, "-m", "streams.verify.destination", "--port", str(self.port)]
        super().__init__("destination", [*command, "--record", str(self.record)], folder / "destination.log")

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"


def environment(points: str, command: Sequence[str]) -> list[str]:
    """The command with failpoints armed, and without what the shell says of a worker."""
    unset = [word for name in UNSET for word in ("-u", name)]
    return ["env", *unset, *([f"{failpoints.VARIABLE}={points}"] if points else []), *command]
