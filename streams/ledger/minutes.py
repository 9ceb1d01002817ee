"""When events were accepted: per source partition, the offsets of each minute.

The time is the inbound record's own timestamp, as Kafka keeps it: what consumers see, and what
`distributary replay --from --to` goes by. On a topic with LogAppendTime that is the broker's clock; with
CreateTime (Kafka's default) it is what the producer said, and may be any instant at all. An event whose
note has no time (it was written by an older version) is in no minute, and counts in every total.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap64

from streams.flight import Partition
from streams.ledger.accounts import union

MINUTE_MS = 60_000

ByMinute = dict[int, BitMap64]


@dataclass(slots=True)
class Minutes:
    """The offsets of each minute since 1970, per source partition."""

    of: defaultdict[Partition, ByMinute] = field(default_factory=lambda: defaultdict(dict))

    def add(self, source: Partition, offsets: Sequence[int], instants_ms: Sequence[int]) -> None:
        """Note the instants of these ascending offsets; a negative one is none."""
        if not offsets:
            return
        low, high = min(instants_ms) // MINUTE_MS, max(instants_ms) // MINUTE_MS
        if low == high:
            self._put(source, low, offsets)
            return
        by_minute: defaultdict[int, list[int]] = defaultdict(list)
        for offset, instant in zip(offsets, instants_ms, strict=True):
            by_minute[instant // MINUTE_MS].append(offset)
        for minute, some in by_minute.items():
            self._put(source, minute, some)

    def _put(self, source: Partition, minute: int, offsets: Sequence[int]) -> None:
        if minute < 0:
            return
        there = self.of[source].setdefault(minute, BitMap64())
        if offsets[-1] - offsets[0] == len(offsets) - 1:
            there.add_range(offsets[0], offsets[-1] + 1)
        else:
            there.update(offsets)

    def between(self, source: Partition, from_ms: int, to_ms: int) -> BitMap64:
        """The offsets of the minutes that begin at or after `from_ms` and before `to_ms`."""
        return union(
            offsets
            for minute, offsets in self.of.get(source, {}).items()
            if from_ms <= minute * MINUTE_MS < to_ms
        )

    def spans(self, span_ms: int) -> list[int]:
        """The beginnings (epoch ms) of the spans that any minute is in, ascending."""
        every = {minute for minutes in self.of.values() for minute in minutes}
        return sorted({minute * MINUTE_MS // span_ms * span_ms for minute in every})

    def keep(self, source: Partition, offsets: BitMap64) -> None:
        """Forget the others of this partition."""
        for minute, there in list(self.of.get(source, {}).items()):
            there &= offsets
            if not there:
                del self.of[source][minute]
