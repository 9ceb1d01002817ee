"""The sums: what became of every event, per destination, computed from the topics alone.

    accepted = delivered + filtered(rule) + dead(reason) + waiting(tier) + queued + unaccounted

An event is one offset of a source partition (within one replay, or none), so each term is a set of
offsets, held as a bitmap, and a record that was written twice counts once. An event that is in
several sets counts in the first of: delivered, waiting, queued, dead.

The order of reading makes it exact on a running system: first how far the inbound topic is committed
and the end of what was noted of it (`routed`), then how far everyone has come (committed offsets), then
the ends of all topics. A record that moves between topics meanwhile is still found, because a worker
commits only after the next record is durable.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyroaring import BitMap64

from streams import headers
from streams.flight import Partition
from streams.headers import Source, Tracking
from streams.records import Attempt, Outcome, Routed, readable
from streams.scan import Fetched, Offsets, Scanner
from streams.topics import Names


class Account(NamedTuple):
    """Whose offsets a bitmap holds."""

    destination: str
    replay: str | None
    topic: str
    partition: int

    @classmethod
    def of(cls, tracking: Tracking) -> "Account":
        return cls(tracking.destination, tracking.replay, tracking.source.topic, tracking.source.partition)


Sets = defaultdict[Account, BitMap64]
NamedSets = defaultdict[str, Sets]


def _sets() -> Sets:
    return defaultdict(BitMap64)


def _named() -> NamedSets:
    return defaultdict(_sets)


@dataclass
class Sums:
    """One destination's line. Counts of events, but for `attempts` and `ambiguous`."""

    accepted: int = 0
    delivered: int = 0
    delivered_first: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    queued: int = 0
    unaccounted: int = 0
    attempts: int = 0
    ambiguous: int = 0
    duplicates: int = 0
    missing: list[str] = field(default_factory=list)  #: where unaccounted events came from, the first 20

    def as_json(self) -> dict[str, Any]:
        return {
            name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()
        }


@dataclass
class Ledger:
    """The sets, filled by reading topics, and the sums that follow from them."""

    #: Inbound offsets that the routed topic says anything about.
    noted: defaultdict[Partition, BitMap64] = field(default_factory=lambda: defaultdict(BitMap64))
    routed: Sets = field(default_factory=_sets)
    filtered: NamedSets = field(default_factory=_named)
    undecodable: NamedSets = field(default_factory=_named)
    delivered: Sets = field(default_factory=_sets)
    first: Sets = field(default_factory=_sets)
    waiting: NamedSets = field(default_factory=_named)
    queued: Sets = field(default_factory=_sets)
    dead: NamedSets = field(default_factory=_named)
    attempts: Counter[str] = field(default_factory=Counter)
    ambiguous: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    brought_back: Sets = field(default_factory=_sets)  #: events that were dead before: no first attempt
    redriven: set[str] = field(default_factory=set)  #: dlq/3/17: brought back, no longer dead

    # -- reading -------------------------------------------------------------------------------

    def add_routed(self, routed: Routed) -> None:
        if routed.replay is None:
            self.noted[Partition(routed.source_topic, routed.partition)].add_range(
                routed.base_offset, routed.last_offset + 1
            )
        for lane in routed.lanes:
            account = Account(lane.destination, routed.replay, routed.source_topic, routed.partition)
            target = self.routed if lane.rule is None else self.filtered[lane.rule]
            if not lane.destination:
                target = self.undecodable[lane.rule or "undecodable"]
            target[account].update(routed.offsets(lane))

    def add_attempt(self, attempt: Attempt) -> None:
        account = Account(attempt.destination, attempt.replay, attempt.source_topic, attempt.source_partition)
        if attempt.outcome is Outcome.REDRIVEN:
            self.redriven.add(attempt.reason or "")
            self.brought_back[account].add(attempt.source_offset)
            return
        self.attempts[attempt.destination] += 1
        self.ambiguous[attempt.destination] += attempt.ambiguous
        if attempt.outcome is Outcome.DELIVERED:
            self.deliveries[attempt.destination] += 1
            self.delivered[account].add(attempt.source_offset)
            if attempt.attempt == 1:
                self.first[account].add(attempt.source_offset)

    def add_dead(self, record: Fetched) -> None:
        try:
            tracking, death = headers.read(record.headers), headers.read_death(record.headers)
        except headers.Malformed:
            return  # undecodable inbound records have no destination; the routed topic counts them
        if str(Source(record.topic, record.partition, record.offset)) not in self.redriven:
            self.dead[death.reason][Account.of(tracking)].add(tracking.source.offset)

    def add_position(self, record: Fetched, sets: Sets) -> None:
        try:
            tracking = headers.read(record.headers)
        except headers.Malformed:
            return
        sets[Account.of(tracking)].add(tracking.source.offset)

    # -- sums ----------------------------------------------------------------------------------

    def sums(self, destinations: list[str]) -> dict[str, Sums]:
        """One line per destination: the configured ones, and others that the topics still know."""
        lines = {name: Sums() for name in destinations}
        for account in self._accounts():
            self._add(lines.setdefault(account.destination, Sums()), account)
        for name, line in lines.items():
            line.attempts, line.ambiguous = self.attempts[name], self.ambiguous[name]
            distinct = sum(len(s) for a, s in self.delivered.items() if a.destination == name)
            line.duplicates = self.deliveries[name] - distinct
        return lines

    def untraced(self, tp: Partition, until: "Extent") -> list[int]:
        """Inbound offsets that were committed past without a note; some may hold no record at all."""
        noted = self.noted.get(tp)
        if not noted:
            return []  # nothing is known: the notes are gone by age, or nothing was routed yet
        return list(BitMap64(range(max(until.starts[tp], noted.min()), until.committed[tp])) - noted)

    def _accounts(self) -> set[Account]:
        return set(self.routed).union(*(sets for sets in self.filtered.values()))

    def _add(self, line: Sums, account: Account) -> None:
        routed = self.routed.get(account, BitMap64())
        rest = BitMap64(routed)

        def take(found: BitMap64 | None) -> int:
            """How many of the rest are in this set; they leave the rest."""
            nonlocal rest
            if found is None:
                return 0
            taken = rest & found
            rest -= taken
            return len(taken)

        first = self.first.get(account, BitMap64()) - self.brought_back.get(account, BitMap64())
        line.delivered_first += len(first & routed)
        line.delivered += take(self.delivered.get(account))
        _tally(line.waiting, self.waiting, account, take)
        line.queued += take(self.queued.get(account))
        _tally(line.dead, self.dead, account, take)
        line.unaccounted += len(rest)
        line.missing += [f"{account.topic}/{account.partition}/{offset}" for offset in rest][:20]
        line.accepted += len(routed)
        for rule, sets in self.filtered.items():
            if account in sets:
                kept_back = len(sets[account] - routed)
                line.filtered[rule] += kept_back
                line.accepted += kept_back


def _tally(line: Counter[str], named: NamedSets, account: Account, take: Any) -> None:
    for name, sets in named.items():
        if count := take(sets.get(account)):
            line[name] += count


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


def inbound(scanner: Scanner, ledger: Ledger, until: "Extent") -> Inbound:
    """What became of the inbound topic itself."""
    line = Inbound()
    for reason, sets in ledger.undecodable.items():
        line.undecodable[reason] += sum(
            len(found) for account, found in sets.items() if account.replay is None
        )
    for tp, start in until.starts.items():
        line.records += until.ends[tp] - start
        line.queued += until.ends[tp] - until.committed[tp]
        lost = scanner.present(tp, ledger.untraced(tp, until))
        line.unaccounted += len(lost)
        line.missing += [f"{tp.topic}/{tp.partition}/{offset}" for offset in lost][:20]
    return line


@dataclass(frozen=True)
class Extent:
    """How far everything has come, in the order in which it was looked at."""

    routed: Offsets
    committed: Offsets
    ends: Offsets
    starts: Offsets  #: of the inbound topic


def extent(scanner: Scanner, inbound: str, names: Names) -> Extent:
    """Look at the offsets in the order that the module's text explains."""
    arriving = scanner.partitions([inbound])
    # By name, not by config: what was left on the topic of a removed destination or tier is still there.
    moving = scanner.partitions([*scanner.named(names.deliver("")), *scanner.named(names.delay(""))])
    committed = scanner.committed(arriving)
    routed = scanner.ends(scanner.partitions([names.routed]))
    committed |= scanner.committed(moving)
    ends = scanner.ends([*arriving, *moving, *scanner.partitions([names.attempts, names.dlq])])
    return Extent(routed, committed, ends, scanner.starts(arriving))


def read(scanner: Scanner, names: Names, until: Extent, since_ms: int = 0) -> Ledger:
    """The ledger of what was routed since then, as far as the topics hold it."""
    ledger = Ledger()
    since = scanner.at_time(until.routed, since_ms) if since_ms else {}
    for routed in readable(Routed, _values(scanner, since, until.routed)):
        ledger.add_routed(routed)
    for attempt in readable(Attempt, _values(scanner, {}, _of(until.ends, {names.attempts}))):
        ledger.add_attempt(attempt)
    for record in _each(scanner, {}, _of(until.ends, {names.dlq})):
        ledger.add_dead(record)
    deliver = {tp.topic for tp in until.ends if tp.topic.startswith(names.deliver(""))}
    for record in _each(scanner, until.committed, _of(until.ends, deliver)):
        ledger.add_position(record, ledger.queued)
    for topic in {tp.topic for tp in until.ends if tp.topic.startswith(names.delay(""))}:
        for record in _each(scanner, until.committed, _of(until.ends, {topic})):
            ledger.add_position(record, ledger.waiting[topic.removeprefix(names.delay(""))])
    return ledger


def _of(offsets: Offsets, topics: set[str]) -> dict[Partition, int]:
    return {tp: offset for tp, offset in offsets.items() if tp.topic in topics}


def _each(scanner: Scanner, starts: Offsets, ends: Offsets) -> Iterator[Fetched]:
    for records in scanner.read(starts, ends):
        yield from records


def _values(scanner: Scanner, starts: Offsets, ends: Offsets) -> Iterator[bytes | None]:
    return (record.value for record in _each(scanner, starts, ends))
