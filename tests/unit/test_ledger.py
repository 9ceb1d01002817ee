"""The sums, from records made by hand: every event counts once, in the place where it is now."""

from streams import headers
from streams.attempts import Outcome
from streams.flight import Partition
from streams.headers import Source
from streams.ledger import inbound, sums
from streams.ledger.entries import Entries
from streams.ledger.extent import Extent
from streams.ledger.moving import Moving
from streams.records import Routed
from tests.unit.books import (
    CRM,
    SOURCE,
    attempted,
    dead,
    line,
    on_the_way,
    record,
    redriven,
    routed,
    tracking,
)

HOUR_MS = 3_600_000


def test_each_event_counts_where_it_is_now() -> None:
    entries = Entries()
    routed(entries, 0, 1, 2, 3, 4)
    routed(entries, 5, 6, rule="types")
    attempted(entries, 0, Outcome.DELIVERED)
    attempted(entries, 1, Outcome.DELIVERED, attempt=3)
    dead(entries, 2, at=0)
    on_the_way(entries, 3, "1m")
    on_the_way(entries, 4)

    found = line(entries)

    assert (found.accepted, found.delivered, found.delivered_first, found.queued) == (7, 2, 1, 1)
    assert (found.filtered, found.dead, found.waiting) == ({"types": 2}, {"rejected": 1}, {"1m": 1})
    assert found.unaccounted == 0


def test_an_event_without_a_trace_is_named() -> None:
    entries = Entries()
    routed(entries, 7, 8)
    attempted(entries, 7, Outcome.DELIVERED)

    assert line(entries).unaccounted == 1
    assert line(entries).missing == ["events/0/8"]


def test_a_line_names_twenty_places_and_all_of_them_if_asked() -> None:
    entries = Entries()
    routed(entries, *range(0, 60, 2))
    settled = sums.settle(entries)

    assert line(entries).unaccounted == 30
    assert line(entries).missing == [f"events/0/{offset}" for offset in range(0, 40, 2)]
    every = sums.lines(settled, [CRM], longest=None)[CRM].missing
    assert every == [f"events/0/{offset}" for offset in range(0, 60, 2)]


def test_what_a_crash_wrote_twice_counts_once() -> None:
    entries = Entries()
    routed(entries, 0, 1)
    routed(entries, 0, 1)
    attempted(entries, 0, Outcome.DELIVERED)
    attempted(entries, 0, Outcome.DELIVERED)
    dead(entries, 1, at=0)
    dead(entries, 1, at=1)

    found = line(entries)

    assert (found.accepted, found.delivered, found.dead.total(), found.unaccounted) == (2, 1, 1, 0)
    assert (found.duplicates, found.attempts) == (1, 2)


def test_duplicates_are_bounded_by_what_was_delivered_and_what_may_have_been() -> None:
    entries = Entries()
    routed(entries, 0, 1, 2, 3)
    attempted(entries, 0, Outcome.RETRY, ambiguous=True)  # and then it was delivered: perhaps twice
    attempted(entries, 0, Outcome.DELIVERED, attempt=2)
    attempted(entries, 1, Outcome.DEAD, ambiguous=True)  # once, or not at all: no duplicate
    attempted(entries, 2, Outcome.RETRY, ambiguous=True)  # twice, perhaps
    attempted(entries, 2, Outcome.DEAD, ambiguous=True, attempt=2)
    for _ in range(3):
        attempted(entries, 3, Outcome.DELIVERED)  # twice too often, for sure

    found = line(entries)

    assert (found.duplicates, found.ambiguous, found.duplicates_at_most) == (2, 4, 4)


def test_a_delivered_event_whose_copy_still_waits_is_delivered() -> None:
    entries = Entries()
    routed(entries, 0)
    attempted(entries, 0, Outcome.DELIVERED)
    on_the_way(entries, 0, "1m")

    assert (line(entries).delivered, line(entries).waiting.total()) == (1, 0)


def test_an_event_routed_once_and_kept_back_another_time_counts_as_routed() -> None:
    # The filters changed between a crash and the restart.
    entries = Entries()
    routed(entries, 0)
    routed(entries, 0, rule="types")
    attempted(entries, 0, Outcome.DELIVERED)

    found = line(entries)
    assert (found.accepted, found.delivered, found.filtered.total()) == (1, 1, 0)


def test_an_event_kept_back_by_one_rule_and_then_by_another_is_one_event() -> None:
    entries = Entries()
    routed(entries, 0, rule="types")
    routed(entries, 0, rule="integrations")

    assert (line(entries).accepted, line(entries).filtered) == (1, {"integrations": 1})


def test_what_was_brought_back_from_the_dlq_is_dead_no_more_and_missed_if_it_is_lost() -> None:
    entries = Entries()
    routed(entries, 0)
    redriven(entries, 0, at="dlq/0/5")
    dead(entries, 0, at=5)

    assert line(entries).unaccounted == 1
    moving = on_the_way(entries, 0, redrives=1)
    assert (line(entries).queued, line(entries).unaccounted) == (1, 0)
    dead(entries, 0, at=9)
    moving.begin({})  # the topic is gone, and with it the record
    assert (line(entries).dead, line(entries).unaccounted) == ({"rejected": 1}, 0)


def test_a_note_that_an_event_was_brought_back_counts_whenever_it_is_read_and_once() -> None:
    entries = Entries()
    routed(entries, 0)
    dead(entries, 0, at=5)
    dead(entries, 0, at=6)
    redriven(entries, 0, at="dlq/0/5")
    redriven(entries, 0, at="dlq/0/5")

    assert line(entries).dead == {"rejected": 1}
    redriven(entries, 0, at="dlq/0/6")
    redriven(entries, 0, at="another/0/6")
    redriven(entries, 0, at="nonsense")
    assert (line(entries).dead, line(entries).unaccounted) == ({}, 1)


def test_a_replay_is_accepted_and_accounted_for_apart_from_the_first_time() -> None:
    entries = Entries()
    routed(entries, 0)
    attempted(entries, 0, Outcome.DELIVERED)
    routed(entries, 0, replay="r1")

    assert (line(entries).accepted, line(entries).unaccounted) == (2, 1)
    attempted(entries, 0, Outcome.DELIVERED, replay="r1")
    found = line(entries)
    assert (found.delivered, found.unaccounted, found.duplicates) == (2, 0, 0)


def test_a_destination_that_is_no_longer_configured_keeps_its_line() -> None:
    entries = Entries()
    routed(entries, 0)

    assert set(sums.lines(sums.settle(entries), ["other"])) == {"other", CRM}


def test_what_somebody_put_on_our_topics_by_hand_is_passed_over() -> None:
    entries, moving = Entries(), Moving(Entries())
    tp = Partition("deliver", 0)
    moving.begin({tp: (None, 0)})
    moving.add(tp, [record([("distributary.source", b"nonsense")], Source(*tp, 0))], 1)
    for base, last in ((-4, 3), (5, 4), (0, 1 << 40)):
        entries.note(Routed("events", 0, base, last, None, {}), 0)

    assert sums.settle(entries) == sums.settle(moving.entries) == []
    assert not entries.noted


def test_an_event_that_is_brought_back_from_the_dlq_was_not_delivered_at_first() -> None:
    entries = Entries()
    routed(entries, 0)
    redriven(entries, 0, at="dlq/0/5")
    attempted(entries, 0, Outcome.DELIVERED, attempt=1)

    assert (line(entries).delivered, line(entries).delivered_first) == (1, 0)


# -- what moves --------------------------------------------------------------------------------


def test_what_was_finished_leaves_and_what_is_new_comes() -> None:
    entries = Entries()
    routed(entries, *range(6))
    moving, tp = Moving(entries), Partition("deliver", 0)

    def read(committed: int, *places: int) -> tuple[int, list[str]]:
        start = moving.begin({tp: (None, committed)})[tp]
        records = [record(headers.write(tracking(place)), Source(*tp, place)) for place in places]
        moving.add(tp, records, max(places) + 1)
        return start, line(entries).missing

    assert read(0, 0, 1, 2) == (0, ["events/0/3", "events/0/4", "events/0/5"])
    assert read(2, 3) == (3, ["events/0/0", "events/0/1", "events/0/4", "events/0/5"])
    # The group's offsets were set back: what was finished is to be done once more.
    assert read(1, 1, 2, 3, 4) == (1, ["events/0/0", "events/0/5"])
    # Deleted before it was read.
    assert read(5, 5) == (5, [f"events/0/{offset}" for offset in range(5)])


# -- the inbound topic -------------------------------------------------------------------------


def test_offsets_committed_past_without_a_note_are_found() -> None:
    entries = Entries()
    routed(entries, 3, 4, 5)
    routed(entries, 8)
    until = Extent({}, {}, {SOURCE: 0}, {SOURCE: 10}, {SOURCE: 12}, {}, {})

    # Before the first note nothing is known: notes are kept a week, events perhaps longer.
    assert list(inbound.untraced(entries, SOURCE, until)) == [6, 7, 9]


# -- what is too old ---------------------------------------------------------------------------


def test_what_a_new_reading_would_not_find_is_forgotten() -> None:
    entries, anew = Entries(), Entries()
    for hour, offsets in enumerate(((0, 1), (2, 3), (4, 5))):
        for found in (entries, anew) if hour else (entries,):
            routed(found, *offsets, written_ms=hour * HOUR_MS, instants=[0, 10**12])
        attempted(entries, offsets[0], Outcome.DELIVERED)
        attempted(anew, offsets[0], Outcome.DELIVERED)
    routed(entries, 0, 1, replay="old", written_ms=0)

    entries.forget(HOUR_MS)

    assert line(entries) == line(anew)
    assert line(entries).missing == ["events/0/3", "events/0/5"]
    assert entries.noted == anew.noted
    assert entries.minutes == anew.minutes


def test_an_attempt_whose_note_is_still_to_come_is_not_forgotten() -> None:
    entries = Entries()
    routed(entries, 0, 1, written_ms=0)
    attempted(entries, 2, Outcome.DELIVERED)

    entries.forget(HOUR_MS)
    routed(entries, 2, written_ms=HOUR_MS)

    assert (line(entries).accepted, line(entries).delivered) == (1, 1)


def test_a_replay_keeps_the_times_of_old_events() -> None:
    entries = Entries()
    routed(entries, 0, written_ms=0, instants=[60_000])
    routed(entries, 0, replay="r", written_ms=HOUR_MS, instants=[60_000])

    entries.forget(HOUR_MS)

    assert line(entries).accepted == 1
    assert list(entries.minutes.between(SOURCE, 60_000, 120_000)) == [0]
