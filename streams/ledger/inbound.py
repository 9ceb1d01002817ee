"""The inbound topic itself: what was committed past without a note, and what is not routed yet."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap64

from streams.flight import Partition
from streams.ledger import sums
from streams.ledger.books import Inbound, Period
from streams.ledger.entries import Entries
from streams.ledger.extent import Extent
from streams.ledger.minutes import MINUTE_MS
from streams.scan import Offsets, Scanner


@dataclass
class Gaps:
    """Offsets without a note that were looked at, so that none is looked at twice."""

    #: There is no record: compaction and transactions leave such.
    holes: defaultdict[Partition, BitMap64] = field(default_factory=lambda: defaultdict(BitMap64))
    #: There is a record, and its timestamp (epoch ms): it is unaccounted for, unless a note comes.
    lost: defaultdict[Partition, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def cut(self, starts: Offsets) -> None:
        """Forget what the topic itself holds no more."""
        for tp, start in starts.items():
            self.holes[tp].remove_range(0, start)
            self.lost[tp] = {offset: ms for offset, ms in self.lost[tp].items() if offset >= start}


def untraced(entries: Entries, tp: Partition, until: Extent) -> BitMap64:
    """Inbound offsets that were committed past without a note; some may hold no record at all."""
    found, noted = BitMap64(), entries.noted.get(tp)
    if noted:  # else nothing is known: the notes are gone by age, or nothing was routed yet
        found.add_range(max(until.starts[tp], noted.min()), until.committed[tp])
        found -= noted
    return found


def look_at_gaps(scanner: Scanner, entries: Entries, gaps: Gaps, until: Extent) -> None:
    """Find out which untraced offsets hold a record."""
    for tp in until.starts:
        missing = untraced(entries, tp, until)
        gaps.lost[tp] = {offset: ms for offset, ms in gaps.lost[tp].items() if offset in missing}
        unknown = missing - gaps.holes[tp] - BitMap64(gaps.lost[tp])
        if unknown:
            gaps.lost[tp] |= scanner.present(tp, list(unknown))
            gaps.holes[tp] |= unknown - BitMap64(gaps.lost[tp])


def line(entries: Entries, gaps: Gaps, until: Extent, longest: int | None = sums.FIRST) -> Inbound:
    """What became of the inbound topic."""
    found = Inbound(undecodable=sums.undecodable(entries))
    for tp, start in until.starts.items():
        found.records += until.ends[tp] - start
        found.queued += until.ends[tp] - until.committed[tp]
        _add_lost(found, tp, BitMap64(gaps.lost[tp]), longest)
    return found


def line_of(
    period: Period,
    entries: Entries,
    gaps: Gaps,
    queued: int,
    masks: Mapping[Partition, BitMap64],
    longest: int | None = sums.FIRST,
) -> Inbound:
    """What became of the inbound records of a period; `queued` of them are not routed yet."""
    found = Inbound(undecodable=sums.undecodable(entries, masks), queued=queued)
    for tp, lost in gaps.lost.items():
        _add_lost(found, tp, BitMap64(offset for offset, ms in lost.items() if within(period, ms)), longest)
    found.records = sums.noted(entries, masks) + queued + found.unaccounted
    return found


def not_routed(scanner: Scanner, period: Period, until: Extent) -> int:
    """How many records of a period are not routed yet: reads all of those, for any may be of any time."""
    records = scanner.messages(until.committed, until.ends)
    return sum(within(period, message.timestamp()[1]) for some in records for message in some)


def within(period: Period, ms: int) -> bool:
    return ms >= 0 and period.from_ms <= ms // MINUTE_MS * MINUTE_MS < period.to_ms


def _add_lost(line: Inbound, tp: Partition, lost: BitMap64, longest: int | None) -> None:
    line.unaccounted += len(lost)
    line.missing += sums.places(tp, lost, longest and longest - len(line.missing))
