"""The sums, from records made by hand: every event counts once, in the place where it is now."""

from dataclasses import replace
from typing import Any

from streams import headers
from streams.flight import Partition
from streams.headers import Death, Source, Tracking
from streams.ledger import Extent, Ledger, Sums
from streams.records import Attempt, Outcome, Routed
from streams.scan import Fetched

CRM = "crm"


def source(offset: int) -> Source:
    return Source("events", 0, offset)


def tracking(offset: int, **known: Any) -> Tracking:
    return Tracking(CRM, f"e{offset}", source(offset), **known)


def record(of: list[headers.Header], at: Source | None = None) -> Fetched:
    place = at or Source("t", 0, 0)
    return Fetched(place.topic, place.partition, place.offset, 0, None, b"{}", of)


def routed(ledger: Ledger, *offsets: int, rule: str | None = None, replay: str | None = None) -> None:
    records = [record([], source(offset)) for offset in range(min(offsets), max(offsets) + 1)]
    for note in Routed.of("events", 0, records, {(CRM, rule): list(offsets)}, replay):
        ledger.add_routed(Routed.decode(note.encode()))


def attempted(ledger: Ledger, offset: int, outcome: Outcome, **known: Any) -> None:
    made = Attempt(
        event_id=f"e{offset}", destination=CRM, source_topic="events", source_partition=0,
        source_offset=offset, attempt=known.pop("attempt", 1), outcome=outcome, started_ms=0, elapsed_ms=1,
        worker="w", **known,
    )  # fmt: skip
    ledger.add_attempt(Attempt.decode(made.encode()))


def dead(ledger: Ledger, offset: int, at: int, reason: str = "rejected", **known: Any) -> None:
    death = Death(reason, "400", "", 1)
    ledger.add_dead(record(headers.write_death(death, tracking(offset, **known)), Source("dlq", 0, at)))


def sums(ledger: Ledger) -> Sums:
    return ledger.sums([CRM])[CRM]


def test_each_event_counts_where_it_is_now() -> None:
    ledger = Ledger()
    routed(ledger, 0, 1, 2, 3, 4)
    routed(ledger, 5, 6, rule="types")
    attempted(ledger, 0, Outcome.DELIVERED)
    attempted(ledger, 1, Outcome.DELIVERED, attempt=3)
    dead(ledger, 2, at=0)
    ledger.add_position(record(headers.write(tracking(3, tier="1m"))), ledger.waiting["1m"])
    ledger.add_position(record(headers.write(tracking(4))), ledger.queued)

    line = sums(ledger)

    assert (line.accepted, line.delivered, line.delivered_first, line.queued) == (7, 2, 1, 1)
    assert (line.filtered, line.dead, line.waiting) == ({"types": 2}, {"rejected": 1}, {"1m": 1})
    assert line.unaccounted == 0


def test_an_event_without_a_trace_is_named() -> None:
    ledger = Ledger()
    routed(ledger, 7, 8)
    attempted(ledger, 7, Outcome.DELIVERED)

    assert sums(ledger).unaccounted == 1
    assert sums(ledger).missing == ["events/0/8"]


def test_what_a_crash_wrote_twice_counts_once() -> None:
    ledger = Ledger()
    routed(ledger, 0, 1)
    routed(ledger, 0, 1)
    attempted(ledger, 0, Outcome.DELIVERED)
    attempted(ledger, 0, Outcome.DELIVERED)
    dead(ledger, 1, at=0)
    dead(ledger, 1, at=1)

    line = sums(ledger)

    assert (line.accepted, line.delivered, line.dead.total(), line.unaccounted) == (2, 1, 1, 0)
    assert line.duplicates == 1


def test_a_delivered_event_whose_copy_still_waits_is_delivered() -> None:
    ledger = Ledger()
    routed(ledger, 0)
    attempted(ledger, 0, Outcome.DELIVERED)
    ledger.add_position(record(headers.write(tracking(0, tier="1m"))), ledger.waiting["1m"])

    assert (sums(ledger).delivered, sums(ledger).waiting.total()) == (1, 0)


def test_an_event_routed_once_and_kept_back_another_time_counts_as_routed() -> None:
    # The filters changed between a crash and the restart.
    ledger = Ledger()
    routed(ledger, 0)
    routed(ledger, 0, rule="types")
    attempted(ledger, 0, Outcome.DELIVERED)

    assert (sums(ledger).accepted, sums(ledger).delivered, sums(ledger).filtered.total()) == (1, 1, 0)


def test_what_was_brought_back_from_the_dlq_is_dead_no_more_and_missed_if_it_is_lost() -> None:
    ledger = Ledger()
    routed(ledger, 0)
    note = Attempt.redriven(tracking(0), at="dlq/0/5", now_ms=1, worker="w")
    ledger.add_attempt(note)
    dead(ledger, 0, at=5)

    assert sums(ledger).unaccounted == 1
    ledger.add_position(record(headers.write(tracking(0).redriven())), ledger.queued)
    assert (sums(ledger).queued, sums(ledger).unaccounted) == (1, 0)
    dead(ledger, 0, at=9)
    ledger.queued.clear()
    assert (sums(ledger).dead, sums(ledger).unaccounted) == ({"rejected": 1}, 0)


def test_a_replay_is_accepted_and_accounted_for_apart_from_the_first_time() -> None:
    ledger = Ledger()
    routed(ledger, 0)
    attempted(ledger, 0, Outcome.DELIVERED)
    routed(ledger, 0, replay="r1")

    assert (sums(ledger).accepted, sums(ledger).unaccounted) == (2, 1)
    attempted(ledger, 0, Outcome.DELIVERED, replay="r1")
    assert (sums(ledger).delivered, sums(ledger).unaccounted, sums(ledger).duplicates) == (2, 0, 0)


def test_a_destination_that_is_no_longer_configured_keeps_its_line() -> None:
    ledger = Ledger()
    routed(ledger, 0)

    assert set(ledger.sums(["other"])) == {"other", CRM}


def test_what_somebody_put_on_our_topics_by_hand_is_passed_over() -> None:
    ledger = Ledger()
    ledger.add_dead(record([("x", b"y")]))
    ledger.add_position(record([("distributary.source", b"nonsense")]), ledger.queued)

    assert ledger.sums([]) == {}


def test_offsets_committed_past_without_a_note_are_found() -> None:
    ledger = Ledger()
    routed(ledger, 3, 4, 5)
    routed(ledger, 8)
    tp = Partition("events", 0)
    until = Extent(routed={}, committed={tp: 10}, ends={tp: 12}, starts={tp: 0})

    # Before the first note nothing is known: notes are kept a week, events perhaps longer.
    assert ledger.untraced(tp, until) == [6, 7, 9]


def test_reading_twice_changes_no_sum() -> None:
    once, twice = Ledger(), Ledger()
    for ledger, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            routed(ledger, 0, 1)
            dead(ledger, 0, at=0)
            attempted(ledger, 1, Outcome.DELIVERED)
    same = replace(sums(twice), attempts=sums(once).attempts, duplicates=sums(once).duplicates)

    assert same == sums(once)


def test_an_event_brought_back_from_the_dlq_was_not_delivered_at_first() -> None:
    ledger = Ledger()
    routed(ledger, 0)
    ledger.add_attempt(Attempt.redriven(tracking(0), at="dlq/0/5", now_ms=1, worker="w"))
    attempted(ledger, 0, Outcome.DELIVERED, attempt=1)

    assert (sums(ledger).delivered, sums(ledger).delivered_first) == (1, 0)
