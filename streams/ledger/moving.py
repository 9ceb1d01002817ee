"""What is on its way: the stretch of each deliver and delay topic that is not committed.

Read once: a turn adds what is new at the end and takes away what was finished at the beginning. It is not
kept in a state file, for the next process reads it from the topics: it is as long as the lag.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from streams import headers
from streams.flight import Partition, Record
from streams.ledger.accounts import Account, Counted
from streams.ledger.entries import Entries


@dataclass(slots=True)
class Stretch:
    """The records of one partition that are not finished, in order; 20 bytes each."""

    tier: str | None  #: None: queued on a deliver topic
    start: int  #: the first offset that is not finished
    next: int  #: the first offset not read yet
    places: "array[int]" = field(default_factory=lambda: array("q"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    accounts: "array[int]" = field(default_factory=lambda: array("I"))


@dataclass(slots=True)
class Moving:
    """All such stretches, and their part of the entries."""

    entries: Entries
    #: Deliver topic -> its destination.
    whose: Mapping[str, str] = field(default_factory=dict)
    stretches: dict[Partition, Stretch] = field(default_factory=dict)
    _accounts: list[Account] = field(default_factory=list)
    _numbers: dict[Account, int] = field(default_factory=dict)

    def begin(self, starts: Mapping[Partition, tuple[str | None, int]]) -> dict[Partition, int]:
        """Drop what was finished. `starts`: the tier, and the first offset that is not finished.

        Returns where to read on.
        """
        for tp in self.stretches.keys() - starts.keys():  # the topic is gone
            self._drop(self.stretches[tp], len(self.stretches[tp].places))
            del self.stretches[tp]
        return {tp: self._begin(tp, tier, start) for tp, (tier, start) in starts.items()}

    def _begin(self, tp: Partition, tier: str | None, start: int) -> int:
        stretch = self.stretches.setdefault(tp, Stretch(tier, start, start))
        if start < stretch.start:  # the group's offsets were set back: read that again
            self._drop(stretch, len(stretch.places))
            stretch.next = start
        self._drop(stretch, bisect_left(stretch.places, start))
        stretch.start, stretch.next = start, max(stretch.next, start)
        return stretch.next

    def add(self, tp: Partition, records: Sequence[Record], read_to: int) -> None:
        """Records from where `begin` said, in order, up to, not including, `read_to`."""
        stretch = self.stretches[tp]
        found: defaultdict[Account, list[int]] = defaultdict(list)
        for record in records:
            try:
                tracking = headers.read(record.headers, self.whose.get(tp.topic))
            except headers.Malformed:
                continue  # put there by hand: it will be a stray, and is no event
            account = Account.of(tracking)
            found[account].append(tracking.source.offset)
            stretch.places.append(record.offset)
            stretch.offsets.append(tracking.source.offset)
            stretch.accounts.append(self._number(account))
        for account, offsets in found.items():
            self._positions(account, stretch.tier).add(offsets)
        stretch.next = read_to

    def _drop(self, stretch: Stretch, count: int) -> None:
        """Take the first so many out of the entries."""
        gone: defaultdict[int, list[int]] = defaultdict(list)
        for number, offset in islice(zip(stretch.accounts, stretch.offsets, strict=True), count):
            gone[number].append(offset)
        for number, offsets in gone.items():
            self._positions(self._accounts[number], stretch.tier).remove(offsets)
        del stretch.places[:count], stretch.offsets[:count], stretch.accounts[:count]

    def _positions(self, account: Account, tier: str | None) -> Counted:
        entry = self.entries.of[account]
        return entry.queued if tier is None else entry.waiting[tier]

    def _number(self, account: Account) -> int:
        number = self._numbers.setdefault(account, len(self._accounts))
        if number == len(self._accounts):
            self._accounts.append(account)
        return number
