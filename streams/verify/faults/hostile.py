"""Destinations that misbehave beside a healthy one, which must not notice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.verify import memory
from streams.verify.cast import FEW, STEADY, Role
from streams.verify.destination import Arrival
from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage

#: One in three.
SOME = ("identify", "page")
MEMORY = "worker memory, peak MB"

LATER = {"status": 429, "retry_after": 1}
LATER_BY_DATE = {"status": 429, "retry_date": 1}

ROLES = (
    STEADY,
    Role("black-hole", ((2, ("hang", "hang", 200)), (1, ("hang",))), FEW),
    Role("resets", ((3, ("reset", 200)), (2, ("close", "half-head", 200)), (1, ("reset",))), FEW),
    Role("limited", ((2, (LATER, 200)), (1, (LATER_BY_DATE, 200)), (1, (LATER, LATER_BY_DATE, LATER, 200)))),
    Role("nonsense", ((1, ("status-99",)), (1, ("not-http",)), (1, (418,)), (1, (302,)), (1, ("redirect",)))),
    Role("broken", ((1, (500,)), (1, (502,)), (1, (503,)), (1, (504,))), FEW),
    Role("slow", ((4, ({"status": 200, "after": 0.7},)), (1, ({"status": 200, "after": 2.5}, 200))), FEW),
)
#: What is large or long, and what comes byte by byte.
LARGE = (
    STEADY,
    Role(
        "bodies", ((2, ("endless-body",)), (2, ("gigabyte",)), (3, ("gzip-bomb",)), (1, ("half-body",))), SOME
    ),
    Role(
        "heads",
        ((2, ("big-head",)), (2, ("endless-head",)), (1, ("continues",)), (2, (503, "big-head"))),
        SOME,
    ),
    Role("loris", ((3, ("slow-head", 200)), (1, ("slow-head",)), (2, ("slow-body",)), (2, ("late",))), FEW),
    Role(
        "chatter",
        (
            (3, ("continues",)),
            (1, ("endless-continues",)),
        ),
        FEW,
    ),
)


@dataclass(frozen=True)
class Hostile(Scenario):
    """Nothing is injected but what the destinations answer."""

    #: What a worker may take: half of it is there before the first event.
    largest_mb: float = 250.0

    def prepare(self, stage: Stage) -> None:
        super().prepare(stage)
        memory.watch(stage.workers, lambda mb: stage.figures.update({MEMORY: mb}))

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        if float(stage.figures[MEMORY]) > self.largest_mb:
            yield f"a worker took {stage.figures[MEMORY]} MB: more than {self.largest_mb:g} MB"


SCENARIOS: tuple[Scenario, ...] = (
    Hostile(
        "hostile-destinations",
        "a black hole, resets, a 429 wave, nonsense, 5xx for ever and slow answers beside a healthy one",
        roles=ROLES,
        seconds=10.0,
        longest_stall_s=2.0,
    ),
    Hostile(
        "endless-answers",
        "gigabyte bodies, gzip bombs, endless headers and 1xx, and answers byte by byte beside a healthy one",
        roles=LARGE,
        seconds=10.0,
        longest_stall_s=2.0,
    ),
)
