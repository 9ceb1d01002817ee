"""The sink: the Go server in this folder, built here, and what it has counted."""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench import cpu
from streams.demo import leash, ports

HERE = Path(__file__).parent


class Total(NamedTuple):
    """Over all destinations."""

    posts: int
    events: int
    distinct: int
    refused: int


class Sink:
    """A running sink."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = ports.free()
        self._process = leash.start([str(program), "-port", str(self.port)], folder / "sink.log")
        deadline = time.monotonic() + 10
        while not ports.answers(self.port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sink does not answer; see {folder}/sink.log")
            time.sleep(0.02)
        self._connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=10)

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, destination: str) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}/{destination}"

    def total(self) -> Total:
        counts = self._ask("GET", "/total")
        return Total(counts["posts"], counts["events"], counts["distinct"], counts["refused"])

    def distinct(self) -> Mapping[str, int]:
        """Different events that each destination has taken."""
        return {name: counts["distinct"] for name, counts in self._ask("GET", "/counts").items()}

    def latencies(self) -> Mapping[str, Mapping[str, int]]:
        """Of each destination since `forget_latencies`: count, p50, p90, p99, p999 and max, microseconds."""
        found: Mapping[str, Mapping[str, int]] = self._ask("GET", "/latencies")
        return found

    def behave(self, destination: str, mode: str) -> None:
        """From now on: ok, flaky (503 to the first attempt of every fifth event) or mute (no answer)."""
        self._ask("POST", f"/-/{destination}/{mode}")

    def reset(self) -> None:
        self._ask("POST", "/-/reset")

    def forget_latencies(self) -> None:
        self._ask("POST", "/-/latencies")

    def stop(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()
        leash.let_go(self._process)

    def _ask(self, method: str, path: str) -> Any:
        body = b"" if method == "POST" else None  # so that a length is said
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ValueError(f"the sink answers {answer.status} to {method} {path}")
        return json.loads(text)


def build(home: Path) -> Path:
    """Test and compile the sink; its path."""
    if shutil.which("go") is None:
        raise SystemExit("error: the sink is written in Go; install Go 1.21 or newer")
    program = home / "sink"
    subprocess.run(["go", "test", "."], cwd=HERE, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=HERE, check=True)
    return program


def capacity(program: Path, folder: Path, seconds: float = 3.0) -> dict[str, float]:
    """What the sink takes from our load generator (same machine, same cores): posts per second of the
    clock and of its own CPU."""
    sink = Sink(program, folder)
    try:
        before, began = cpu.usage([sink.pid]), time.monotonic()
        command = [str(program), "-load", "-port", str(sink.port), "-seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        wall = time.monotonic() - began
        used = cpu.usage([sink.pid]).since(before)
        posts = int(done.stdout)
    finally:
        sink.stop()
    return {"posts_per_s": posts / wall, "posts_per_cpu_s": posts / used, "cpu_share": used / wall}
