"""What a scenario is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streams.verify.cast import USUAL, Role
from streams.verify.destination import Arrival
from streams.verify.stage import Stage


@dataclass(frozen=True)
class Scenario:
    """A fault with a name. Its load is under way when `inject` is called, and goes on meanwhile."""

    name: str
    text: str  #: what it does, in one line
    roles: Sequence[Role] = USUAL
    seconds: float = 5.0  #: how long its events take to be written
    only_local: bool = False  #: it needs brokers that are ours
    why_local: str = "it stops the broker"
    brokers: int = 1  #: how many of ours it needs
    #: The longest time, in seconds, that the healthy destination may get nothing; None: as it comes.
    longest_stall_s: float | None = None
    drain_s: float = 90.0  #: how long it may take until nothing is on its way
    clocks_ms: int = 0  #: how far workers' clocks may differ: so much is not early
    once: bool = False  #: whether nothing may be repeated at all

    def counts(self, events: int) -> int:
        """How many events the load has; `events` is what was asked for."""
        return events

    def left_out(self, *, local: bool) -> str:
        """Why it can't be played here; empty if it can."""
        return f"{self.why_local}, which only a local Kafka is for" if self.only_local and not local else ""

    def lasts(self, kills: int) -> float:
        """How long the load lasts, seconds."""
        return self.seconds

    def prepare(self, stage: Stage) -> None:
        """Before there is load: start the workers."""
        for _ in range(2):
            stage.start_worker(ready=False)
        stage.wait_members(2)

    def inject(self, stage: Stage) -> None:
        """Make it happen; returns when it has."""

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterable[str]:
        """What is wrong besides what every scenario is judged by, a line each. The workers have ended.

        What it measures goes to `stage.figures`, also from here.
        """
        return ()


@dataclass(frozen=True)
class Alone(Scenario):
    """One worker does everything until the fault, which so is certain to hit what it is meant for."""

    points: str = ""

    def prepare(self, stage: Stage) -> None:
        stage.start_worker(self.points, ready=False)
        stage.wait_members(1)
