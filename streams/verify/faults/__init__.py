"""The scenarios: each a class with a name and one line of text, in the order in which they are played."""

from streams.verify.faults import (
    brokers,
    churn,
    clocks,
    frozen,
    hostile,
    isolation,
    kills,
    mixed,
    outage,
    partition,
    poison,
    refused,
    replays,
    scale,
    three,
    versions,
)
from streams.verify.faults.base import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *kills.SCENARIOS,
    *replays.SCENARIOS,
    *brokers.SCENARIOS,
    *frozen.SCENARIOS,
    *partition.SCENARIOS,
    *clocks.SCENARIOS,
    *refused.SCENARIOS,
    *hostile.SCENARIOS,
    *outage.SCENARIOS,
    *poison.SCENARIOS,
    *churn.SCENARIOS,
    *scale.SCENARIOS,
    *isolation.SCENARIOS,
    *versions.SCENARIOS,
    *mixed.SCENARIOS,
    *three.SCENARIOS,  # last: its brokers are others
)


def chosen(names: str | None) -> list[Scenario]:
    """The scenarios of these names (`kill-*` means all that begin so), in our order; None: all.

    Raises:
        LookupError: there is none of a name.
    """
    if names is None:
        return list(SCENARIOS)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(_matches(one.name, name) for one in SCENARIOS):
            raise LookupError(f"no scenario {name!r}; there are: {', '.join(one.name for one in SCENARIOS)}")
    return [one for one in SCENARIOS if any(_matches(one.name, name) for name in wanted)]


def _matches(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
