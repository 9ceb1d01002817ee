"""Whether one thing takes longer than another, as far as a noisy machine can tell.

A 99th percentile of some hundred measurements is a matter of a handful of them, and those come in clusters:
a pause of the broker makes everything late that is under way. So a ratio of two percentiles says little by
itself. What decides is a permutation test: the seconds (not single measurements) are shuffled between the
two sides again and again, and the ratio is computed anew. If it was chance which side the late ones are on,
shuffling shows as large a ratio as often as not; if it hardly ever does, the difference is real.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil

#: A measurement: when, in Unix time, and what, in seconds.
Measured = tuple[float, float]

SHUFFLES = 1000
#: What comes about by chance less often than this is taken for real.
RARE = 0.01


@dataclass(frozen=True, slots=True)
class Comparison:
    """The 99th percentiles of two sets of measurements, in seconds."""

    alone: float
    beside: float
    #: The share of shuffles with such a ratio: how often it comes about though there is no more than allowed.
    by_chance: float

    @property
    def ratio(self) -> float:
        return self.beside / self.alone

    @property
    def is_real(self) -> bool:
        return self.by_chance < RARE


def compare(
    alone: Sequence[Measured], beside: Sequence[Measured], allowed: float, chance: random.Random
) -> Comparison:
    """Is `beside` more than `allowed` times `alone`? Neither may be empty, nor all of it no time at all."""
    first = _seconds(alone)
    second = _seconds([(at, took / allowed) for at, took in beside])
    seen, every = _ratio(first, second), [*first, *second]
    as_large = 0
    for _ in range(SHUFFLES):
        chance.shuffle(every)
        as_large += _ratio(every[: len(first)], every[len(first) :]) >= seen
    return Comparison(_p99(first), allowed * _p99(second), (as_large + 1) / (SHUFFLES + 1))


def quantile(values: Iterable[float], share: float) -> float:
    """The nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * share) - 1)]


def _seconds(measured: Sequence[Measured]) -> list[list[float]]:
    """What was measured, by the second in which it began."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for at, took in measured:
        found[int(at)].append(took)
    return list(found.values())


def _ratio(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float:
    return _p99(second) / _p99(first)


def _p99(seconds: Sequence[Sequence[float]]) -> float:
    return quantile(chain.from_iterable(seconds), 0.99)
