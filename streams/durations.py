"""Durations as people write them in a config file: ``1m``, ``500ms``, ``2.5s``, ``1h30m``.

A duration is a float of seconds inside the program and never finer than a millisecond, the unit
of Kafka's timestamps. One duration has one short name, and that name is part of a topic's name
(``delay.1m``), so ``60s`` and ``1m`` are the same tier.
"""

import re
from decimal import Decimal

#: Ten years. Longer than any wait or retention meant seriously, and far from overflowing a timestamp.
LONGEST_S = 3650 * 86_400.0

#: Largest unit first: the order in which the parts of a duration must be written.
UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_WRITTEN = re.compile("".join(rf"(?:({_NUMBER}){unit})?" for unit in UNITS_MS))
_ALLOWED = "write a number and a unit (d, h, m, s, ms), like 500ms, 2.5s, 10m or 1h30m"


def parse(text: str) -> float:
    """Seconds of a written duration; ``0s`` is one, too.

    Raises ValueError saying what was written and what is allowed.
    """
    written = _WRITTEN.fullmatch(text)
    if written is None or not any(written.groups()):
        raise ValueError(f"{text[:40]!r} is not a duration: {_ALLOWED}")
    parts = zip(written.groups(), UNITS_MS.values(), strict=True)
    ms = sum(Decimal(number) * unit_ms for number, unit_ms in parts if number)
    if ms != int(ms):
        raise ValueError(f"{text!r} is finer than a millisecond: the finest duration is 1ms")
    if ms > LONGEST_S * 1000:
        raise ValueError(f"{text!r} is too long: the longest duration is {name(LONGEST_S)}")
    return int(ms) / 1000


def name(seconds: float) -> str:
    """The short name of a duration: ``60 -> 1m``, ``5400 -> 1h30m``, ``2.5 -> 2.5s``, ``0 -> 0s``.

    Rounded to the millisecond; ``parse(name(x)) == x`` for every x that ``parse`` returns.
    """
    if not 0 <= seconds <= LONGEST_S:
        raise ValueError(f"{seconds!r} s is not between 0 and {LONGEST_S:.0f} s")
    rest = round(seconds * 1000)
    words = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, UNITS_MS[unit])
        if count:
            words.append(f"{count}{unit}")
    if rest or not words:
        words.append(_below_a_minute(rest, alone=not words))
    return "".join(words)


def _below_a_minute(ms: int, *, alone: bool) -> str:
    """``500ms`` by itself, but ``1m0.5s`` behind a larger unit: one way to write each."""
    if alone and 0 < ms < 1000:
        return f"{ms}ms"
    return f"{Decimal(ms).scaleb(-3).normalize():f}s"
