"""Destinations that misbehave beside a healthy one, which must not notice."""

from dataclasses import dataclass

from streams.verify.cast import STEADY, Role
from streams.verify.faults.base import Scenario

#: One event in seven: a black hole holds each of its slots for a whole timeout.
FEW = ("identify",)

LATER = {"status": 429, "retry_after": 1}

ROLES = (
    STEADY,
    Role("black-hole", ((2, ("hang", "hang", 200)), (1, ("hang",))), FEW),
    Role("resets", ((3, ("reset", 200)), (2, ("close", "reset", 200)), (1, ("reset",))), FEW),
    Role("limited", ((3, (LATER, 200)), (1, (LATER, LATER, LATER, 200)))),
    Role("nonsense", ((1, ("status-99",)), (1, ("not-http",)), (1, (418,)), (1, (302,)))),
    Role("broken", ((1, (500,)), (1, (502,)), (1, (503,)), (1, (504,))), FEW),
    Role("slow", ((4, ({"status": 200, "after": 0.7},)), (1, ({"status": 200, "after": 2.5}, 200))), FEW),
)  # fmt: skip


@dataclass(frozen=True)
class Hostile(Scenario):
    """Nothing is injected but what the destinations answer."""


SCENARIOS: tuple[Scenario, ...] = (
    Hostile(
        "hostile-destinations",
        "a black hole, resets, a 429 wave, nonsense, 5xx for ever and slow answers beside a healthy one",
        roles=ROLES,
        seconds=10.0,
        longest_stall_s=2.0,
    ),
)
