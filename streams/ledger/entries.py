"""The sets of the ledger, and what each record adds to them. Folding in is independent of the order.

Folding in the same record twice is not harmless (attempts are counted): the keeper's cursors see to it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap64

from streams.attempts import Outcome
from streams.flight import Partition
from streams.ledger.accounts import Account, Counted, union
from streams.ledger.attempts import Kind
from streams.ledger.deaths import Cause, Deaths
from streams.ledger.minutes import Minutes
from streams.records import LONGEST_SPAN, Routed

HOUR_MS = 3_600_000
NamedSets = defaultdict[str, BitMap64]


def _counted() -> defaultdict[str, Counted]:
    return defaultdict(Counted)


@dataclass(slots=True)
class Entry:
    """What became of one account's events."""

    routed: BitMap64 = field(default_factory=BitMap64)
    #: By rule; where the account has no destination: why they are no events.
    filtered: NamedSets = field(default_factory=lambda: defaultdict(BitMap64))
    delivered: Counted = field(default_factory=Counted)
    first: BitMap64 = field(default_factory=BitMap64)  #: delivered by the first attempt of all
    attempts: Counted = field(default_factory=Counted)
    ambiguous: Counted = field(default_factory=Counted)
    brought_back: BitMap64 = field(default_factory=BitMap64)  #: were dead once: no first attempt any more
    dead: defaultdict[str, Counted] = field(default_factory=_counted)
    #: Where they are now; read anew from the deliver and delay topics by every process.
    queued: Counted = field(default_factory=Counted)
    waiting: defaultdict[str, Counted] = field(default_factory=_counted)
    #: The hour since 1970 in which the latest note about it was written.
    hour: int = -1

    @property
    def accepted(self) -> BitMap64:
        return union((self.routed, *self.filtered.values()))

    def forget(self, offsets: BitMap64) -> None:
        """As if these had never been."""
        for plain in (self.routed, self.first, self.brought_back, *self.filtered.values()):
            plain -= offsets
        for counted in (self.delivered, self.attempts, self.ambiguous, *self.dead.values()):
            counted.forget(offsets)


@dataclass
class Entries:
    """Everything that is known of every event."""

    of: defaultdict[Account, Entry] = field(default_factory=lambda: defaultdict(Entry))
    #: Inbound offsets that the routed topic says anything about.
    noted: defaultdict[Partition, BitMap64] = field(default_factory=lambda: defaultdict(BitMap64))
    minutes: Minutes = field(default_factory=Minutes)
    deaths: Deaths = field(default_factory=Deaths)
    #: Source partition -> hour in which notes were written -> the lowest offset they are about.
    marks: defaultdict[Partition, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    # -- what records add ----------------------------------------------------------------------

    def note(self, routed: Routed, written_ms: int) -> None:
        """A note of what was decided; `written_ms` is when."""
        source, hour = Partition(routed.source_topic, routed.partition), written_ms // HOUR_MS
        base, end = routed.base_offset, routed.last_offset + 1
        if not 0 <= base < end <= base + LONGEST_SPAN:
            return  # put there by hand
        if routed.replay is None:
            self.noted[source].add_range(base, end)
            marks = self.marks[source]
            marks[hour] = min(base, marks.get(hour, base))
        for lane in routed.lanes:
            entry = self.of[Account(lane.destination, routed.replay, *source)]
            entry.hour = max(entry.hour, hour)
            rule = lane.rule if lane.destination else lane.rule or "undecodable"
            _put(entry.routed if rule is None else entry.filtered[rule], routed.offsets(lane))
        if routed.times is not None:
            offsets, instants = routed.all_offsets(), routed.instants()
            if len(offsets) == len(instants):
                self.minutes.add(source, offsets, instants)

    def attempted(self, kind: Kind, offsets: Sequence[int], dlq: str) -> None:
        """Attempts of one kind, or notes that something was brought back from the topic `dlq`."""
        entry = self.of[Account(kind.destination, kind.replay, kind.source_topic, kind.source_partition)]
        if kind.outcome is Outcome.REDRIVEN:
            entry.brought_back.update(offsets)
            self._brought_back(kind.reason, dlq)
            return
        entry.attempts.add(offsets)
        if kind.ambiguous:
            entry.ambiguous.add(offsets)
        if kind.outcome is Outcome.DELIVERED:
            entry.delivered.add(offsets)
            if kind.attempt == 1:
                entry.first.update(offsets)

    def _brought_back(self, place: str | None, dlq: str) -> None:
        if (found := _place(place, dlq)) and (gone := self.deaths.brought_back(*found)):
            cause, offset = gone
            self.of[cause.account].dead[cause.reason].remove([offset])

    def died(self, partition: int, place: int, cause: Cause, offset: int) -> None:
        """A record of the dlq; those of a partition in order."""
        if self.deaths.died(partition, place, cause, offset):
            self.of[cause.account].dead[cause.reason].add([offset])

    # -- what is too old -----------------------------------------------------------------------

    def forget(self, since_ms: int) -> None:
        """Drop events whose every note was written before this hour: a new reading would not find them.

        Of events that no note tells of yet, nothing is dropped: their note may still come.
        """
        since = since_ms // HOUR_MS
        for source, noted in self.noted.items():
            self.marks[source] = {hour: low for hour, low in self.marks[source].items() if hour >= since}
            horizon = min(self.marks[source].values(), default=noted.max() + 1 if noted else 0)
            noted.remove_range(0, horizon)
            self._forget_live(source, horizon)
        for account in [one for one, entry in self.of.items() if one.replay and 0 <= entry.hour < since]:
            self.of[account].forget(self.of[account].accepted)
        for source in list(self.minutes.of):
            self.minutes.keep(source, union(self._accepted(source)))

    def _forget_live(self, source: Partition, horizon: int) -> None:
        for account, entry in self.of.items():
            if account.replay is None and account.source == source:
                gone = entry.accepted
                gone.remove_range(horizon, 1 << 63)
                if gone:
                    entry.forget(gone)

    def _accepted(self, source: Partition) -> Iterator[BitMap64]:
        return (entry.accepted for account, entry in self.of.items() if account.source == source)


def _put(there: BitMap64, offsets: Sequence[int]) -> None:
    if offsets and offsets[-1] - offsets[0] == len(offsets) - 1:
        there.add_range(offsets[0], offsets[-1] + 1)
    else:
        there.update(offsets)


def _place(text: str | None, dlq: str) -> tuple[int, int] | None:
    """(partition, offset) of `dlq/3/17`; None where it is nothing of the kind."""
    topic, *place = (text or "").split("/")
    if topic == dlq and len(place) == 2 and all(_is_number(part) for part in place):
        return int(place[0]), int(place[1])
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
