"""Running the paced producer beside a system at work."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench.measure import START_S, Player, Stuck
from bench.stage import Stage
from bench.systems.base import Task

#: Events that a system gets first: it is started when they are at the destination.
FIRST = 200


@dataclass
class Paced:
    """A task that events come to at a steady rate; counts what each destination should have."""

    stage: Stage
    task: Task
    sent: int = 0

    def begin(self, rate: float, seconds: float) -> subprocess.Popen[str]:
        """Start to produce; `end` gives what came of it."""
        words = [self.task.bootstrap, self.task.inbound, rate, seconds, self.sent]
        command = [sys.executable, "-m", "bench.pacer", *map(str, words)]
        self.sent += round(rate * seconds)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def produce(self, rate: float, seconds: float) -> dict[str, Any]:
        """Produce and return when all is on the topic."""
        return self.end(self.begin(rate, seconds))

    def end(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        said, _ = process.communicate()
        if process.returncode:
            raise Stuck("the producer failed")
        found: dict[str, Any] = json.loads(said)
        return found

    def arrived(self, destination: str = "d0") -> int:
        return self.stage.sink.distinct().get(destination, 0)

    def start(self, player: Player) -> None:
        """Return when the system is at work: the first events have arrived."""
        self.produce(FIRST, 1.0)
        player.wait("the first events", lambda: self.arrived() >= self.sent, START_S)

    def drained(self, player: Player, within_s: float) -> bool:
        """Whether the first destination gets everything in time."""
        try:
            player.wait("the last events", lambda: self.arrived() >= self.sent, within_s)
        except Stuck:
            player.check()
            return False
        return True
