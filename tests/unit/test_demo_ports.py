"""Ports that are given out on the loopback."""

import random

import pytest

from streams.demo import ports


def test_nobody_is_given_a_port_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever it is for may not listen on it yet.
    first = ports.free()
    drawn = iter([first, first, 20_000, *range(20_001, 20_500)])
    monkeypatch.setattr(random, "randint", lambda _low, _high: next(drawn))

    assert ports.free() != first
