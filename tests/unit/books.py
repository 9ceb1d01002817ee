"""Records made by hand for the ledger's tests, and a ledger they are folded into as a keeper would."""

from collections.abc import Sequence
from typing import Any

from streams import headers
from streams.attempts import Attempt, Outcome, encode
from streams.flight import Partition, Record
from streams.headers import Death, Source, Tracking
from streams.ledger import sums
from streams.ledger.accounts import Account
from streams.ledger.attempts import Attempts
from streams.ledger.deaths import Cause
from streams.ledger.entries import Entries
from streams.ledger.moving import Moving
from streams.ledger.sums import Sums
from streams.records import Routed

CRM = "crm"
DLQ = "dlq"
SOURCE = Partition("events", 0)


def source(offset: int) -> Source:
    return Source(*SOURCE, offset)


def tracking(offset: int, **known: Any) -> Tracking:
    return Tracking(CRM, f"e{offset}", source(offset), **known)


def record(of: Sequence[headers.Header], at: Source | None = None) -> Record:
    place = at or Source("t", 0, 0)
    return Record(place.topic, place.partition, place.offset, 0, None, b"{}", of)


def routed(
    entries: Entries,
    *offsets: int,
    rule: str | None = None,
    replay: str | None = None,
    instants: Sequence[int] | None = None,
    written_ms: int = 0,
    to: str = CRM,
) -> None:
    records = [record([], source(offset)) for offset in offsets]
    for note in Routed.of(*SOURCE, records, {(to, rule): list(offsets)}, replay, instants):
        entries.note(Routed.decode(note.encode()), written_ms)


def attempt(offset: int, outcome: Outcome, **known: Any) -> Attempt:
    return Attempt(
        event_id=f"e{offset}", destination=CRM, source_topic="events", source_partition=0,
        source_offset=offset, attempt=known.pop("attempt", 1), outcome=outcome, started_ms=0, elapsed_ms=1,
        worker="w", **known,
    )  # fmt: skip


def attempted(entries: Entries, offset: int, outcome: Outcome, **known: Any) -> None:
    fold(entries, attempt(offset, outcome, **known))


def redriven(entries: Entries, offset: int, at: str, **known: Any) -> None:
    fold(entries, Attempt.redriven(tracking(offset, **known), at=at, now_ms=1, worker="w"))


def fold(entries: Entries, *attempts: Attempt) -> None:
    gathered = Attempts()
    for value in encode(attempts):
        gathered.add(value)
    for kind, offsets in gathered.take():
        entries.attempted(kind, offsets, DLQ)


def dead(entries: Entries, offset: int, at: int, reason: str = "rejected", **known: Any) -> None:
    account = Account.of(tracking(offset, **known))
    entries.died(0, at, Cause(account, reason), offset)


def death(offset: int, reason: str = "rejected", **known: Any) -> list[headers.Header]:
    return headers.write_death(Death(reason, "400", "", 1), tracking(offset, **known))


def on_the_way(entries: Entries, offset: int, tier: str | None = None, **known: Any) -> Moving:
    """One record on a deliver or delay topic; the stretch it is in."""
    moving = Moving(entries)
    tp = Partition(tier or "deliver", 0)
    moving.begin({tp: (tier, 0)})
    moving.add(tp, [record(headers.write(tracking(offset, **known)), Source(*tp, 0))], 1)
    return moving


def line(entries: Entries) -> Sums:
    return sums.lines(sums.settle(entries), [CRM])[CRM]
