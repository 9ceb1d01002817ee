"""The comparison of latencies: finds a difference that is there, and none that is not."""

import random

import pytest

from streams.verify import comparison
from streams.verify.comparison import Measured


def measured(chance: random.Random, factor: float = 1.0, seconds: int = 30) -> list[Measured]:
    """25 latencies per second around 8 ms, with a long tail and, now and then, a pause of the machine."""
    found = []
    for second in range(seconds):
        pause = 0.05 if chance.random() < 0.05 else 0.0
        found += [(second + n / 25, factor * (chance.lognormvariate(-4.8, 0.3) + pause)) for n in range(25)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_what_takes_equally_long_is_not_told_apart(seed: int) -> None:
    chance = random.Random(seed)
    found = comparison.compare(measured(chance), measured(chance, seconds=60), 1.1, chance)
    assert not found.is_real


@pytest.mark.parametrize("seed", range(4))
def test_what_takes_three_times_as_long_is_found(seed: int) -> None:
    chance = random.Random(seed)
    steady = [(at, min(took, 0.02)) for at, took in measured(chance)]
    slow = [(at, 3 * took) for at, took in steady]
    found = comparison.compare(steady, slow, 1.1, chance)
    assert found.ratio == pytest.approx(3.0)
    assert found.is_real
    assert not comparison.compare(steady, slow, 3.0, chance).is_real  # if so much is allowed


def test_one_bad_second_is_not_taken_for_a_rule() -> None:
    chance = random.Random(1)
    alone = [(n / 25, 0.01) for n in range(1000)]
    beside = [(at, 0.2 if 3 <= at < 4 else took) for at, took in alone]
    found = comparison.compare(alone, beside, 1.1, chance)
    assert found.ratio == pytest.approx(20.0)
    assert not found.is_real


def test_a_quantile_is_one_of_the_values() -> None:
    assert comparison.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert comparison.quantile(range(1, 101), 0.99) == 99
    assert comparison.quantile([7.0], 0.99) == 7.0
