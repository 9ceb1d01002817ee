"""How much memory workers take, where the system tells (Linux: /proc)."""

import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.verify.processes import Process

EVERY_S = 0.25
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def watch(processes: Sequence[Process], note: Callable[[float], None]) -> None:
    """Tell, again and again, the most that one of these processes ever had resident, in MB.

    On a thread of its own, until all that began have ended; those that come later are watched too.
    """

    def look() -> None:
        most, pause = 0.0, threading.Event()
        while not processes or any(process.alive for process in list(processes)):
            most = max(most, *(peak_mb(process.pid) for process in list(processes)), 0.0)
            note(most)
            pause.wait(EVERY_S)

    threading.Thread(target=look, name="memory", daemon=True).start()


def peak_mb(pid: int) -> float:
    """The most that a process ever had resident; 0 where nobody tells, and after its end."""
    try:
        told = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return round(int(told[1]) / 1024, 1) if told else 0.0
