"""The sums of everything: destinations, the inbound topic, and each span of time if so asked."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from streams.ledger.sums import Sums


@dataclass
class Inbound:
    """The inbound topic's line."""

    records: int = 0
    queued: int = 0  #: not routed yet
    undecodable: Counter[str] = field(default_factory=Counter)
    unaccounted: int = 0
    missing: list[str] = field(default_factory=list)  #: the first 20

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "undecodable": dict(self.undecodable)}


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, of whole minutes: from an instant up to, not including, another (epoch ms)."""

    from_ms: int
    to_ms: int

    def __str__(self) -> str:
        return f"{instant(self.from_ms)} to {instant(self.to_ms)}"


@dataclass(frozen=True, slots=True)
class Bucket:
    """What became of the events of a span of time; `period` None: of those whose note has no time."""

    period: Period | None
    destinations: dict[str, Sums]

    @property
    def begin(self) -> str:
        return instant(self.period.from_ms) if self.period else "no time"

    def as_json(self) -> dict[str, Any]:
        times = (instant(self.period.from_ms), instant(self.period.to_ms)) if self.period else (None, None)
        lines = {name: line.as_json() for name, line in self.destinations.items()}
        return {"from": times[0], "to": times[1], "destinations": lines}


@dataclass(frozen=True, slots=True)
class Closing:
    """Whether a period is over: nothing of it can still arrive or move, but by a replay or a redrive."""

    period: Period
    #: Why it is not, in words: `3 of crm are queued`.
    still: tuple[str, ...]
    #: What the sums can't know about it.
    unsure: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        return not self.still

    def as_json(self) -> dict[str, Any]:
        begin, end = instant(self.period.from_ms), instant(self.period.to_ms)
        words = {"still": list(self.still), "unsure": list(self.unsure)}
        return {"from": begin, "to": end, "closed": self.closed, **words}


@dataclass(frozen=True, slots=True)
class Books:
    """The sums of every destination, and of the inbound topic."""

    destinations: dict[str, Sums]
    inbound: Inbound
    buckets: tuple[Bucket, ...] = ()
    closing: Closing | None = None

    @property
    def balanced(self) -> bool:
        """Every accepted event is somewhere that can be pointed at."""
        lines = [line.unaccounted for line in self.destinations.values()]
        return not any((*lines, self.inbound.unaccounted))

    @property
    def missing(self) -> list[str]:
        """Where unaccounted events came from; inbound records first."""
        lines = sorted(self.destinations.items())
        return [*self.inbound.missing, *(place for _, line in lines for place in line.missing)]

    def as_json(self) -> dict[str, Any]:
        lines = {name: line.as_json() for name, line in self.destinations.items()}
        found: dict[str, Any] = {"destinations": lines, "inbound": self.inbound.as_json()}
        if self.closing:
            found["range"] = self.closing.as_json()
        if self.buckets:
            found["buckets"] = [bucket.as_json() for bucket in self.buckets]
        return found


def instant(ms: int) -> str:
    """`2026-11-21T18:00Z`; beyond the year 9999, which a producer may say, the bare number."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
