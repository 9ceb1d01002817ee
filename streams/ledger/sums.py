"""The sums of the sets: one line per destination, of everything or of a period."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap64

from streams.flight import Partition
from streams.ledger.accounts import Account
from streams.ledger.entries import Entries, Entry

#: How many places a line names, unless all are wanted.
FIRST = 20


@dataclass
class Sums:
    """One destination's line. Counts of events, but for `attempts`, `ambiguous` and the duplicates."""

    accepted: int = 0
    delivered: int = 0
    delivered_first: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    queued: int = 0
    unaccounted: int = 0
    attempts: int = 0
    ambiguous: int = 0  #: attempts without an answer after the request was sent
    duplicates: int = 0  #: delivered attempts beyond an event's first
    duplicates_at_most: int = 0  #: had every ambiguous attempt been delivered
    missing: list[str] = field(default_factory=list)  #: where unaccounted events came from, the first 20

    @property
    def moving(self) -> int:
        return self.queued + self.waiting.total()

    def as_json(self) -> dict[str, Any]:
        return {
            name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()
        }


@dataclass(frozen=True, slots=True)
class Settled:
    """One account's events, each in one set: where it is now."""

    account: Account
    entry: Entry
    accepted: BitMap64
    delivered: BitMap64
    filtered: Mapping[str, BitMap64]
    waiting: Mapping[str, BitMap64]
    queued: BitMap64
    dead: Mapping[str, BitMap64]
    unaccounted: BitMap64

    @classmethod
    def of(cls, account: Account, entry: Entry) -> "Settled":
        rest = BitMap64(entry.routed)
        delivered = _take(rest, entry.delivered.offsets)
        waiting = {tier: _take(rest, found.offsets) for tier, found in sorted(entry.waiting.items())}
        queued = _take(rest, entry.queued.offsets)
        dead = {reason: _take(rest, found.offsets) for reason, found in sorted(entry.dead.items())}
        kept_back = entry.accepted - entry.routed
        filtered = {rule: _take(kept_back, found) for rule, found in sorted(entry.filtered.items())}
        return cls(
            account, entry, entry.accepted, delivered, filtered, waiting, queued, dead, unaccounted=rest
        )

    def add_to(self, line: Sums, period: BitMap64 | None, longest: int | None) -> None:
        """Add those of a period (None: all) to a destination's line, which names so many (None: all)."""
        entry, within = self.entry, self.accepted if period is None else self.accepted & period
        if not within:
            return
        line.accepted += len(within)
        line.delivered += self.delivered.intersection_cardinality(within)
        at_first = (entry.first - entry.brought_back) & entry.routed
        line.delivered_first += at_first.intersection_cardinality(within)
        line.queued += self.queued.intersection_cardinality(within)
        for counts, named in (
            (line.filtered, self.filtered), (line.waiting, self.waiting), (line.dead, self.dead)
        ):  # fmt: skip
            for name, found in named.items():
                if count := found.intersection_cardinality(within):
                    counts[name] += count
        lost = self.unaccounted & within
        line.unaccounted += len(lost)
        line.missing += places(self.account.source, lost, longest and longest - len(line.missing))
        self._add_attempts(line, within)

    def _add_attempts(self, line: Sums, within: BitMap64) -> None:
        entry = self.entry
        delivered, ambiguous = entry.delivered.within(within), entry.ambiguous.within(within)
        maybe = (entry.delivered.offsets | entry.ambiguous.offsets).intersection_cardinality(within)
        line.attempts += entry.attempts.within(within)
        line.ambiguous += ambiguous
        line.duplicates += delivered - entry.delivered.offsets.intersection_cardinality(within)
        line.duplicates_at_most += delivered + ambiguous - maybe


def _take(rest: BitMap64, found: BitMap64) -> BitMap64:
    """Those of the rest that are in this set; they leave the rest."""
    taken = rest & found
    rest -= taken
    return taken


def places(source: Partition, offsets: BitMap64, longest: int | None) -> list[str]:
    """Where these are, as topic/partition/offset; at most so many (None: all)."""
    some: Iterable[int] = offsets if longest is None else offsets[: max(0, longest)]
    return [f"{source.topic}/{source.partition}/{offset}" for offset in some]


def settle(entries: Entries) -> list[Settled]:
    """Every account that has a destination and accepted events, by name."""
    named = [account for account in entries.of if account.destination]
    named.sort(key=lambda account: account._replace(replay=account.replay or ""))
    found = (Settled.of(account, entries.of[account]) for account in named)
    return [one for one in found if one.accepted]


def lines(
    settled: Iterable[Settled],
    destinations: Iterable[str],
    periods: Mapping[Partition, BitMap64] | None = None,
    longest: int | None = FIRST,
) -> dict[str, Sums]:
    """One line per destination: the configured ones, and others that the topics still know.

    `periods`: the offsets of a period by source partition (None: everything); `longest`: how many
    unaccounted events each line names (None: all).
    """
    found = {name: Sums() for name in destinations}
    for one in settled:
        line = found.setdefault(one.account.destination, Sums())
        one.add_to(line, None if periods is None else periods.get(one.account.source, BitMap64()), longest)
    return found


def undecodable(entries: Entries, periods: Mapping[Partition, BitMap64] | None = None) -> Counter[str]:
    """Inbound records that are no events, by why."""
    counts: Counter[str] = Counter()
    for account, entry in entries.of.items():
        if account.destination or account.replay is not None:
            continue
        rest = entry.accepted if periods is None else entry.accepted & periods.get(account.source, BitMap64())
        for why, found in sorted(entry.filtered.items()):
            if count := len(_take(rest, found)):
                counts[why] += count
    return counts


def noted(entries: Entries, periods: Mapping[Partition, BitMap64]) -> int:
    """How many inbound records of a period were routed."""
    return sum(
        found.intersection_cardinality(periods.get(source, BitMap64()))
        for source, found in entries.noted.items()
    )
