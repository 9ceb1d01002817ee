"""Workers that stand still longer than their session, and go on as if nothing had happened."""

import time
from dataclasses import dataclass

from streams.verify.faults.base import Alone
from streams.verify.repeats import ON_THE_WIRE_S, Strike
from streams.verify.stage import Stage


@dataclass(frozen=True)
class Frozen(Alone):
    """SIGSTOP; its partitions move; SIGCONT: the zombie must take nothing back from its successor."""

    def inject(self, stage: Stage) -> None:
        [zombie] = stage.workers
        stage.wait_written(0.2)
        zombie.freeze()
        stage.strikes.append(stood_still(stage, f"{zombie.name} frozen"))
        before = len(stage.arrivals())
        stage.start_worker()
        stage.wait("another goes on", lambda: len(stage.arrivals()) > before + 50)
        stage.wait_written(0.7)
        zombie.thaw()
        stage.wait_members(2)


def stood_still(stage: Stage, what: str) -> Strike:
    """A worker that has just been frozen: when it thaws it goes on with what it had in flight, no more."""
    until = time.time() + ON_THE_WIRE_S
    committed, ends = stage.extent()
    unsent = {stage.names.deliver(one.name): one.limits.in_flight for one in stage.settings.destinations}
    return Strike(what, committed, ends, until, unsent=unsent)


SCENARIOS: tuple[Alone, ...] = (
    Frozen("frozen", "SIGSTOP past the session timeout, partitions move, SIGCONT", seconds=20.0),
)
