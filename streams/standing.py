"""Whether the group still counts on us: what a worker that stood still may go on with, which is nothing.

A worker that is frozen longer than its session (SIGSTOP, a suspended machine, a paused container) is
expelled, and its partitions go to others. When it thaws it does not know: Kafka lets anybody read, and
neither a destination nor an outcome's topic asks who writes. So after too long without a sign that the
coordinator knows us, nothing is begun and nothing is written until there is one, or until we hear that
we were expelled; then what is in hand is let go of, and its new owner does it.

Heard on the consumer's thread (`streams.coordinator`), asked on the main one (`Batch.held`, `Batch.free`);
what they share is a number each.
"""

import asyncio
import logging
from collections.abc import Callable

from streams.clock import steady

log = logging.getLogger(__name__)

#: This share of the session may pass without a sign. The broker counts from when it got the last
#: heartbeat, we from before it was sent, so all of it would do if the two clocks ran alike.
SAFE = 0.8
#: How soon it is looked at again by what waits for a sign, seconds.
LOOK_S = 0.05


class Standing:
    """How we stand with the group's coordinator."""

    def __init__(self, session_s: float) -> None:
        self._good_for_s = session_s * SAFE
        self._heard_at = float("-inf")
        self.member = True  #: False from when we hear that we were expelled until we have joined again
        self.life = 0  #: how often we were expelled: what is of an earlier life is somebody else's

    @property
    def sure(self) -> bool:
        """Whether nobody else can have our partitions."""
        return steady() - self._heard_at < self._good_for_s

    @property
    def silent_s(self) -> float:
        """How long there was no sign."""
        return steady() - self._heard_at

    def heard(self, asked_at: float) -> None:
        """The coordinator has answered, as one that knows us, what it was asked then."""
        self._heard_at = max(self._heard_at, asked_at)
        self.member = True

    def expelled(self) -> None:
        """The coordinator does not know us."""
        if self.member:
            log.warning(
                "group.expelled silent_s=%.1f: what is in hand is left to its new owners", self.silent_s
            )
            self.life += 1
        self.member, self._heard_at = False, float("-inf")

    async def known(self, life: int, vain: Callable[[], bool] = lambda: False) -> bool:
        """Whether what was fetched in this life is still ours, as soon as anybody can tell.

        Nor is it waited for any longer when that is in `vain`.
        """
        while self.life == life and not (self.sure or vain()):  # noqa: ASYNC110 - rare, and heard on a thread
            await asyncio.sleep(LOOK_S)
        return self.life == life


#: For what is in nobody's group: it stays ours.
ALWAYS = Standing(float("inf"))
ALWAYS.heard(0.0)
