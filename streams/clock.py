"""What time it is, for everything that is waited for or written in a record: Unix time that does not jump.

A machine's wall clock is set while records wait: by NTP, by a person, after a virtual machine was paused.
If releases went by it, a step forward would make attempts early, and a step back would hold up records
whose time has come. So a worker asks three clocks:

    its own       the wall clock when it started, and the seconds since, which nobody sets
    the brokers'  their time in each confirmation (LogAppendTime), and so the same for all workers
    the wall's    of its machine, now

It goes by its own, and sets that only where the other two agree that it is wrong by more than a tolerance;
the first word of a broker counts alone, for a worker may start with a wrong wall clock. One clock of the
three may therefore be wrong at any moment without an attempt being early or held up.

For `distributary verify` the wall clock of one process can be shifted while it runs::

    DISTRIBUTARY_CLOCK_FILE=file    holds how far, in seconds, and may be written again at any time
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

log = logging.getLogger(__name__)

VARIABLE = "DISTRIBUTARY_CLOCK_FILE"
#: Clocks that NTP keeps differ by far less, and the shortest delay of a default plan is thirty times longer.
TOLERANCE_S = 2.0
#: How long a worker that has written nothing yet waits for the brokers' word where a clock matters.
HEAR_S = 5.0
#: How often it is said that brokers have another time.
REMIND_S = 60.0
#: Seconds that also pass while the machine sleeps, where the system counts them.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


#: Seconds since some moment of the past, never set. Called several times for each event, so without a frame.
steady: Callable[[], float] = partial(time.clock_gettime, _STEADY)


@dataclass(slots=True)
class Clock:
    """One worker's time. `heard` may be called on any thread."""

    wall: Callable[[], float] = field(default=lambda: time.time())
    steady: Callable[[], float] = steady
    checked: bool = False  #: a broker has said what time it is, or can't
    _offset: float = field(init=False)  #: Unix time less steady time
    _said_at: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._offset = self.wall() - self.steady()

    def now(self) -> float:
        """Unix time, seconds."""
        return self._offset + self.steady()

    def at(self, steady: float) -> float:
        """The Unix time of a moment of steady time."""
        return self._offset + steady

    def heard(self, kind: int, append_ms: int, sent: float) -> None:
        """When a broker wrote a record, by its clock; it was `sent` at that steady time, and is confirmed.

        It wrote it between `sent` and now, so its clock is known that exactly. An answer that took long
        can agree with ours, and is too vague to set it; a topic that keeps producers' times (`kind`) is mute.
        """
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            self.checked = True
            return
        received = self.steady()
        earliest, latest = append_ms / 1000 - received, append_ms / 1000 - sent
        if not earliest - TOLERANCE_S <= self._offset <= latest + TOLERANCE_S:
            if received - sent > TOLERANCE_S or append_ms <= 0:
                return
            self._judge(earliest, latest)
        self.checked = True

    def _judge(self, earliest: float, latest: float) -> None:
        """The brokers' time is another than ours: is it theirs, or ours that is wrong?"""
        walls, off_s = self.wall() - self.steady(), round(self._offset - earliest, 1)
        if earliest - TOLERANCE_S <= walls <= latest + TOLERANCE_S:
            log.warning("clock.set off_s=%s: the brokers and this machine's wall clock agree", off_s)
            self._offset = walls
        elif not self.checked:
            log.error("clock.wrong_at_start off_s=%s: this machine's wall clock is wrong; "
                      "going by the brokers' time", off_s)  # fmt: skip
            self._offset = earliest
        elif (now := self.steady()) - self._said_at > REMIND_S:
            self._said_at = now
            log.error("clock.brokers_differ off_s=%s: a broker's clock was set, or is wrong; "
                      "going by our own", off_s)  # fmt: skip


def _shift(file: Path) -> None:
    """Shift the wall clock of this process, for whoever asks Python, by what the file says."""
    real = time.time

    def shifted() -> float:
        return real() + float(file.read_text()) if file.exists() else real()

    time.time = shifted


if os.environ.get(VARIABLE):
    _shift(Path(os.environ[VARIABLE]))
#: This process's.
_ours = Clock()
now = _ours.now
at = _ours.at
heard = _ours.heard


async def word() -> None:
    """Wait a moment for the brokers' word on the time: it comes with whatever this worker writes first."""
    deadline = steady() + HEAR_S
    while not _ours.checked and steady() < deadline:  # noqa: ASYNC110 - once, as a worker starts
        await asyncio.sleep(0.02)


def checked() -> bool:
    """Whether a broker has said what time it is."""
    return _ours.checked
