"""Whether a destination takes anything at the moment, and what is spared while it doesn't.

A destination is unwell when nothing has arrived there for UNWELL_S although it was tried, and a request has
failed: it refuses the connection, or answers 429 or 5xx. Or when there was no answer at all for half the time
that a request has; for a fifth of it, where every slot is taken and nothing more could be tried. Nothing is
decided about an event by that. Until something arrives there,

    a slot whose request failed rests                  TRIES_PER_S attempts, not as many as fail
    what is routed there is written in bulk            `streams.bulk`: one write, not one for each event
    little of its topic is fetched ahead               `streams.inflow`
    what became of its attempts is written later       `streams.settling`: in one write, not in ten

because all that costs the destinations beside it: on the event loop, and at the broker that they share. What
is not attempted yet waits in the destination's `deliver` topic, and its budget of time has not begun.

It is this worker's impression, and forgotten when it has not tried for FORGET_S: its partitions may be
another's by now.
"""

import asyncio
import logging
import random
from collections.abc import Mapping

from streams import clock
from streams.slots import Slots

log = logging.getLogger(__name__)

UNWELL_S = 1.0
#: How long a slot rests on average at least, and how many attempts all slots of a destination make per second
#: on average at most. Some rest shortly, however many there are: it is never left alone for long.
REST_S, TRIES_PER_S = 1.0, 10
FORGET_S = 300.0
#: How often it is looked which destinations are unwell.
LOOK_S = 0.1


class Health:
    """Of one destination, as far as this worker knows. Moments are by `clock.steady`."""

    __slots__ = ("_failed", "_patience_s", "_rest_s", "_resting", "_slots", "_tried", "since")

    def __init__(self, slots: Slots, timeout_s: float = 10.0) -> None:
        #: When the first request began after which nothing has arrived.
        self.since: float | None = None
        self._tried = 0.0  #: when the latest one began
        self._failed = False
        self._slots = slots
        self._rest_s = max(REST_S, slots.free / TRIES_PER_S)  # as many as there are: none is taken yet
        self._resting: dict[object, asyncio.TimerHandle] = {}
        #: How long nothing may arrive and nothing fail: while a slot is free, and while none is.
        self._patience_s = max(UNWELL_S, timeout_s / 2), max(UNWELL_S, timeout_s / 5)

    def tried(self, at: float) -> None:
        """A request begins."""
        self._tried = at
        if self.since is None:
            self.since = at

    def failed(self) -> None:
        """A request has failed, and may be made again."""
        self._failed = True

    def took(self) -> None:
        """The destination has taken an event, or refused it for good: it is there."""
        self.since, self._failed = None, False
        if self._resting:
            for timer in self._resting.values():
                timer.cancel()
                self._slots.release()
            self._resting.clear()

    def unwell(self, now: float) -> bool:
        if self.since is None or now - self._tried > FORGET_S:
            return False
        return now - self.since > (UNWELL_S if self._failed else self._patience_s[not self._slots.free])

    def rest(self) -> None:
        """Give a slot back later, or as soon as the destination takes something; never all together."""
        slot, rest_s = object(), random.uniform(REST_S / 2, 2 * self._rest_s - REST_S / 2)  # noqa: S311
        self._resting[slot] = asyncio.get_running_loop().call_later(rest_s, self._rested, slot)

    def _rested(self, slot: object) -> None:
        del self._resting[slot]
        self._slots.release()


class Ward:
    """The health of all destinations, by `deliver` topic."""

    def __init__(self, healths: Mapping[str, Health]) -> None:
        self._healths = healths
        self._unwell: frozenset[str] = frozenset()
        self._looked = 0.0

    def unwell(self) -> frozenset[str]:
        """The topics of those that took nothing when it was last looked, at most LOOK_S ago."""
        now = clock.steady()
        if now - self._looked > LOOK_S:
            self._looked = now
            found = frozenset(topic for topic, health in self._healths.items() if health.unwell(now))
            if found != self._unwell:
                self._tell(found)
        return self._unwell

    def _tell(self, found: frozenset[str]) -> None:
        for topic in sorted(found - self._unwell):
            log.warning("destination.unwell topic=%s: nothing has arrived there for a while", topic)
        for topic in sorted(self._unwell - found):
            log.warning("destination.well topic=%s", topic)
        self._unwell = found
