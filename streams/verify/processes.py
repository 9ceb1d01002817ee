"""The processes of a verification: workers that are killed, frozen and replaced, and the destination."""

import contextlib
import itertools
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import TimeoutExpired

import httpx

from streams import clock, failpoints
from streams.demo import leash, ports
from streams.verify.cast import Port, Role
from streams.verify.destination import CONTROL

#: How the `distributary` command is run.
COMMAND = (sys.executable, "-m", "streams.cli")
#: What a user's shell may say of a worker, and what must not reach all of ours.
UNSET = ("DISTRIBUTARY_CONFIG", "DISTRIBUTARY_INSTANCE_ID", "DISTRIBUTARY_LOG_JSON", failpoints.VARIABLE,
         clock.VARIABLE)  # fmt: skip
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

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        return (self.text().strip().splitlines() or ["it logged nothing"])[-1][:200]

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

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        config: Path,
        log: Path,
        points: str = "",
        clock: Path | None = None,
    ) -> None:
        verb = [*command, "worker", "--config", str(config)]
        super().__init__(name, environment(points, verb, clock), log)
        self.doomed = bool(points)  #: it will die by itself, as it was told to

    @property
    def ready(self) -> bool:
        return "worker.ready" in self.text()


class Destination(Process):
    """The scripted destination server, with the ports that these roles need."""

    def __init__(self, folder: Path, roles: Sequence[Role] = ()) -> None:
        self.record = folder / "arrivals.jsonl"
        self.numbers = {port: ports.free() for port in {Port.PLAIN, *(role.port for role in roles)}}
        self.ca_file = _certificates(folder / "certificates") if Port.TLS in self.numbers else None
        command = [sys.executable, "-m", "streams.verify.destination", "--record", str(self.record)]
        command += itertools.chain(*((f"--{port}", str(number)) for port, number in self.numbers.items()))
        if self.ca_file:
            command += ["--certificates", str(self.ca_file.parent)]
        super().__init__("destination", command, folder / "destination.log")

    def url(self, port: Port = Port.PLAIN) -> str:
        scheme = "https" if port is Port.TLS else "http"
        return f"{scheme}://{ports.LOOPBACK}:{self.numbers[port]}"

    def tell(self, **what: object) -> None:
        """Tell it how to behave from now on: `streams.verify.destination` says what there is."""
        with httpx.Client(trust_env=False) as client:
            client.post(f"{self.url()}/{CONTROL}", json=what).raise_for_status()


def _certificates(folder: Path) -> Path:
    from streams.verify import certificates  # its package is an extra: only scenarios that need it import it

    return certificates.write(folder)


def environment(points: str, command: Sequence[str], shifted: Path | None = None) -> list[str]:
    """The command with failpoints armed and its clock shifted; nothing of what the shell says of a worker."""
    unset = [word for name in UNSET for word in ("-u", name)]
    given = {failpoints.VARIABLE: points, clock.VARIABLE: str(shifted or "")}
    return ["env", *unset, *(f"{name}={value}" for name, value in given.items() if value), *command]
