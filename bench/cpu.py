"""CPU time and memory of processes, with all their children and threads, as Linux counts them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used since they began."""

    cpu_s: float  #: user and system, of every thread, ended ones and reaped children included
    rss_mb: float  #: resident now, MiB

    def since(self, before: "Usage") -> float:
        return self.cpu_s - before.cpu_s


def usage(roots: Iterable[int]) -> Usage:
    """Of these processes and all that they have started; what is gone counts as nothing."""
    cpu = rss = 0.0
    for pid in family(roots):
        try:
            fields = stat_fields((PROC / str(pid) / "stat").read_text())
            cpu += sum(map(int, fields[11:15])) / TICKS_PER_S  # utime, stime, and of reaped children
            rss += _rss_mb((PROC / str(pid) / "status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Usage(cpu, rss)


def family(roots: Iterable[int]) -> list[int]:
    """These processes, their children, and theirs."""
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def children(pid: int) -> list[int]:
    """Of all threads: any of them may have started one."""
    try:
        lists = [file.read_text() for file in (PROC / str(pid) / "task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for words in lists for word in words.split()]


def stat_fields(line: str) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on; the second, a name in brackets, may hold anything."""
    return line.rpartition(")")[2].split()


def _rss_mb(status: str) -> float:
    line = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "VmRSS: 0")
    return int(line.split()[1]) / 1024
