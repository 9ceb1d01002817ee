"""The books of a ledger: everything, by spans of time, or of one period and whether that is over."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyroaring import BitMap64

from streams.flight import Partition
from streams.ledger import inbound, sums
from streams.ledger.accounts import union
from streams.ledger.books import Books, Bucket, Closing, Period, instant
from streams.ledger.keeper import Keeper, Ledger
from streams.ledger.sums import Settled, Sums

#: From the first to the last instant that Kafka can keep.
ALWAYS = Period(0, 1 << 63)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the books should tell besides the sums of everything."""

    by_ms: int | None = None  #: a line for each span of this length
    period: Period | None = None  #: only the events of this period
    longest: int | None = sums.FIRST  #: how many unaccounted events each line names; None: all


EVERYTHING = Wanted()


def books(keeper: Keeper, wanted: Wanted = EVERYTHING) -> Books:
    """A turn of the keeper, and the books then. Raises KafkaException."""
    ledger, until = keeper.turn()
    names = [destination.name for destination in keeper.settings.destinations]
    settled = sums.settle(ledger.entries)
    if wanted.period is None:
        found = sums.lines(settled, names, None, wanted.longest)
        whole = inbound.line(ledger.entries, ledger.gaps, until, wanted.longest)
        return Books(found, whole, buckets(ledger, settled, names, wanted))
    period, masks = wanted.period, _masks(ledger, wanted.period)
    queued = inbound.not_routed(keeper.scanner, period, until)
    found = sums.lines(settled, names, masks, wanted.longest)
    line = inbound.line_of(period, ledger.entries, ledger.gaps, queued, masks, wanted.longest)
    closing = Closing(period, _still(period, found, queued), _unsure(ledger, period, settled))
    return Books(found, line, buckets(ledger, settled, names, wanted), closing)


def _masks(ledger: Ledger, period: Period) -> dict[Partition, BitMap64]:
    minutes = ledger.entries.minutes
    return {source: minutes.between(source, period.from_ms, period.to_ms) for source in minutes.of}


def buckets(
    ledger: Ledger, settled: Sequence[Settled], names: Sequence[str], wanted: Wanted
) -> tuple[Bucket, ...]:
    if wanted.by_ms is None:
        return ()
    whole = wanted.period or ALWAYS
    found = []
    for start in ledger.entries.minutes.spans(wanted.by_ms):
        span = Period(max(start, whole.from_ms), min(start + wanted.by_ms, whole.to_ms))
        if span.from_ms < span.to_ms and (lines := _some(settled, names, _masks(ledger, span))):
            found.append(Bucket(span, lines))
    if wanted.period is None and (lines := _some(settled, names, _untimed(ledger, settled))):
        found.append(Bucket(None, lines))
    return tuple(found)


def _some(
    settled: Sequence[Settled], names: Sequence[str], masks: Mapping[Partition, BitMap64]
) -> dict[str, Sums]:
    """The lines of those destinations that accepted anything."""
    return {name: line for name, line in sums.lines(settled, names, masks).items() if line.accepted}


def _untimed(ledger: Ledger, settled: Sequence[Settled]) -> dict[Partition, BitMap64]:
    """The accepted offsets that are in no minute: an older version noted them, or they have no timestamp."""
    minutes = ledger.entries.minutes
    found: dict[Partition, BitMap64] = {}
    for one in settled:
        source = one.account.source
        found[source] = union((found.get(source, BitMap64()), one.accepted))
    return {
        source: accepted - union(minutes.of.get(source, {}).values()) for source, accepted in found.items()
    }


def _still(period: Period, lines: Mapping[str, Sums], queued: int) -> tuple[str, ...]:
    """Why a period is not over."""
    found = [f"it ends {instant(period.to_ms)}"] if period.to_ms > time.time() * 1000 else []
    found += [f"{queued} records are not routed yet"] if queued else []
    for name, line in sorted(lines.items()):
        found += [f"{name}: {line.queued} queued"] if line.queued else []
        found += [f"{name}: {count} waiting in {tier}" for tier, count in sorted(line.waiting.items())]
    return tuple(found)


def _unsure(ledger: Ledger, period: Period, settled: Sequence[Settled]) -> tuple[str, ...]:
    found = []
    if period.from_ms < ledger.since_ms:
        found.append(f"notes from before {instant(ledger.since_ms)} are gone or left out: it is not complete")
    if untimed := sum(map(len, _untimed(ledger, settled).values())):
        found.append(f"{untimed} records have no time (an older version noted them): they are in no range")
    return tuple(found)
