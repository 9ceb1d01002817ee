"""One run: start a system on topics that are full, and see what it costs to empty them.

The clock starts when the warm-up part has come out, and ends when everything has: starting, importing
and joining a group cost nobody anything. What is counted is what came out between these two moments.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench import cpu
from bench.results import Run
from bench.stage import Stage
from bench.systems.base import System, Task, Workload
from streams.demo import leash

#: From the start of a system to its first event at most: a JVM with a rebalance behind it takes 20 s.
START_S = 90.0
COMMIT_S = 20.0
STOP_S = 5.0
LOOK_S = 0.05


class Stuck(Exception):
    """A system did not do its work in time, or ended; the message says where it was."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is to do: records on the topics that are read."""

    count: int
    warm: int  #: of these, not counted
    patience_s: float  #: from the first event to the last


class Player:
    """A system at work."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self.processes = list(processes)
        self.rss_mb = 0.0

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def usage(self) -> cpu.Usage:
        used = cpu.usage(self.pids)
        self.rss_mb = max(self.rss_mb, used.rss_mb)
        return used

    def check(self) -> None:
        for process in self.processes:
            if process.poll() is not None:
                raise Stuck(f"a process ended with status {process.returncode}")

    def wait(self, what: str, condition: Callable[[], bool], within_s: float) -> None:
        """Return when the condition holds. Raises Stuck."""
        deadline = time.monotonic() + within_s
        looks = 0
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise Stuck(f"not within {within_s:.0f} s: {what}")
            if looks % 5 == 0:
                self.usage()
            looks += 1
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """SIGKILL to the first process, as a power cut would."""
        process = self.processes.pop(0)
        process.kill()
        process.wait()
        leash.let_go(process)

    def stop(self) -> None:
        everybody = cpu.family(self.pids)
        for process in self.processes:
            process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        end(everybody)
        for process in self.processes:
            process.wait()
            leash.let_go(process)


def end(pids: Sequence[int]) -> None:
    """SIGKILL to those that are left."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def playing(system: System, task: Task, home: Path) -> Iterator[Player]:
    """The system, started, and stopped at the end of the block."""
    player = Player(system.start(task, home))
    try:
        yield player
    finally:
        player.stop()


def run(
    stage: Stage,
    system: System,
    task: Task,
    home: Path,
    load: Load,
    fill: Callable[[Player], None] = lambda _: None,
) -> Run:
    """What it takes the system to do the task, its topics filled already, or by `fill` after its start."""
    with playing(system, task, home) as player:
        try:
            fill(player)
            measured = _timed(stage, task, player, load, failed(system, task.workload, ""))
        except Stuck as fault:
            return failed(system, task.workload, str(fault))
        return _until_committed(stage, task, player, measured)


def failed(system: System, workload: str, fault: str) -> Run:
    """A run without figures."""
    return Run(system.name, workload, 0, 0.0, 0.0, 0.0, 0.0, 0.0, fault=fault, ok=False)


def _timed(stage: Stage, task: Task, player: Player, load: Load, blank: Run) -> Run:
    out = progress(stage, task)
    wanted = load.count * (len(task.deliver) if task.workload in FANNED_OUT else 1)
    warm = load.warm * wanted // load.count
    player.wait(f"the first {warm} events", lambda: out() >= max(1, warm), START_S)
    already, began, before = out(), time.monotonic(), _used(stage, player)
    player.wait(f"{wanted} events", lambda: out() >= wanted, load.patience_s)
    wall, after = time.monotonic() - began, _used(stage, player)
    events = (wanted - already) // (len(task.deliver) if task.workload is Workload.ROUTE else 1)
    spent = [now.since(then) for now, then in zip(after, before, strict=True)]
    total = stage.sink.total()
    return replace(
        blank, ok=True, events=events, wall_s=wall, repeated=total.events - total.distinct,
        cpu_s=spent[0], broker_cpu_s=spent[1], sink_cpu_s=spent[2],
    )  # fmt: skip


#: What is read is one topic, what comes out is as many times as much as there are destinations.
FANNED_OUT = frozenset({Workload.ROUTE, Workload.END_TO_END})


def _used(stage: Stage, player: Player) -> list[cpu.Usage]:
    return [player.usage(), cpu.usage([stage.broker.pid or 0]), cpu.usage([stage.sink.pid])]


def progress(stage: Stage, task: Task) -> Callable[[], int]:
    """How much has come out so far: records on the deliver topics, or different events at the sink."""
    if task.workload is Workload.ROUTE:
        return lambda: stage.written(task.deliver)
    return lambda: stage.sink.total().distinct


def _until_committed(stage: Stage, task: Task, player: Player, measured: Run) -> Run:
    """Wait until every offset is committed; a system that never does is marked, its figures stand."""
    began = time.monotonic()
    try:
        player.wait("every offset committed", lambda: stage.uncommitted(task) == 0, COMMIT_S)
    except Stuck:
        left = stage.uncommitted(task)
        return replace(measured, fault=f"{left} records were never committed", rss_mb=player.rss_mb)
    return replace(measured, commit_s=time.monotonic() - began, rss_mb=player.rss_mb)
