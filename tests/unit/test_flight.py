"""Completion and commit of batches: only a finished prefix is ever committed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.flight import Batch, Flight, Flights, Partition, Record, Window

TP = Partition("deliver.crm", 0)


def batch(*offsets: int) -> Batch:
    return Batch(TP, [record(offset) for offset in offsets])


def record(offset: int) -> Record:
    return Record(*TP, offset, 0, None, None, ())


def flight(*batches: Batch) -> Flight:
    made = Flight()
    for one in batches:
        made.add(one)
    return made


# The three ways in which stock Faust 0.15.3 commits past unfinished records (its consumer.py, _new_offset
# and _add_gap). tests/unit/test_transport.py shows that stock Faust really does.


def test_a_gap_between_batches_does_not_hide_an_unfinished_record_at_its_end() -> None:
    # 10 | (11-19 compacted away) | 20, 21: finished 10 and 21, not 20. Stock commits 22.
    first, second = batch(10), batch(20, 21)
    hand = flight(first, second)

    first.done(0)
    second.done(1)

    assert hand.committable() == 11


def test_an_unfinished_record_right_at_the_committed_offset_is_not_skipped() -> None:
    # Committed 10; 10 unfinished, 11 finished. Stock commits 12.
    one = batch(10, 11)
    hand = flight(one)
    hand.committed = 10

    one.done(1)

    assert hand.committable() is None


def test_a_group_without_a_committed_offset_starts_at_its_first_finished_prefix() -> None:
    # Nothing committed yet; 0-4 unfinished, 5 and 6 finished. Stock commits 7.
    one = batch(*range(7))
    hand = flight(one)

    one.done(5)
    one.done(6)

    assert hand.committable() is None


def test_the_finished_part_of_a_batch_is_committed_while_a_straggler_is_open() -> None:
    one = batch(*range(100, 105))
    hand = flight(one)

    for index in (0, 1, 3, 4):
        one.done(index)

    assert hand.committable() == 102
    one.done(2)
    assert hand.committable() == 105


def test_a_committed_offset_is_not_committed_again() -> None:
    one = batch(1, 2)
    hand = flight(one)
    one.done_all()

    assert hand.committable() == 3
    hand.committed = 3
    assert hand.committable() is None


def test_saying_done_twice_changes_nothing() -> None:
    one = batch(1, 2, 3)
    one.begin(2)

    one.done(0)
    one.done(0)

    assert (one.prefix, one.in_flight) == (1, 1)


def test_a_drain_waits_only_for_what_was_begun() -> None:
    one = batch(1, 2, 3)
    hand = flight(one)
    one.begin(2)
    one.done(0)

    assert hand.in_flight == 1
    hand.halt()
    assert one.halted
    one.done(1)
    assert hand.in_flight == 0
    assert hand.committable() == 3


def test_a_full_window_has_room_again_when_its_oldest_batch_is_complete() -> None:
    freed: list[object] = []
    flights = Flights(lambda _: Window(2), freed.append)
    first, second = batch(1), batch(2)
    flights.add(first)
    assert TP not in flights.full
    flights.add(second)

    assert TP in flights.full
    second.done(0)
    assert TP in flights.full
    assert not freed
    first.done(0)
    assert TP not in flights.full
    assert len(freed) == 1


def test_a_window_for_small_batches_is_full_when_they_hold_so_many_records_together() -> None:
    flights = Flights(lambda _: Window(2, records=4))
    small = [batch(1), batch(2), batch(3)]
    for one in small:
        flights.add(one)
    assert TP not in flights.full

    flights.add(batch(4, 5))
    assert TP in flights.full
    small[0].done_all()
    assert TP in flights.full  # three batches with four records
    small[1].done_all()
    assert TP not in flights.full
    flights.add(batch(6))
    assert TP in flights.full


def test_small_batches_that_land_do_not_admit_a_large_one_each() -> None:
    flights = Flights(lambda _: Window(2, records=4))
    small = [batch(number) for number in range(3)]
    for one in small:
        flights.add(one)
    flights.add(batch(*range(3, 9)))

    for one in small:
        assert TP in flights.full
        one.done_all()

    assert TP not in flights.full
    assert len(flights.of(TP)) == 1


def test_one_large_batch_does_not_fill_a_window_of_two() -> None:
    flights = Flights(lambda _: Window(2, records=4))

    flights.add(batch(1, 2, 3, 4, 5))
    assert TP not in flights.full
    flights.add(batch(6))
    assert TP in flights.full


def test_what_is_done_after_the_partition_was_given_back_commits_nothing() -> None:
    flights = Flights(lambda _: Window(2))
    one = batch(1, 2)
    flights.add(one)

    flights.forget()
    one.done_all()

    assert one.halted
    assert flights.committable() == {}


def test_what_is_done_of_a_flight_that_was_forgotten_makes_no_room_in_the_one_after_it() -> None:
    flights = Flights(lambda _: Window(1))
    before, after = batch(1), batch(1)
    flights.add(before)
    flights.forget()
    flights.add(after)

    before.done_all()

    assert TP in flights.full


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    gaps=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    order=st.randoms(use_true_random=False),
    commits=st.sets(st.integers(0, 40)),
)
def test_in_any_order_of_completion_no_unfinished_record_is_below_the_commit(
    sizes: list[int], gaps: list[int], order: Any, commits: set[int]
) -> None:
    offset, batches = 5, []
    for size, gap in zip(sizes, gaps, strict=False):
        offset += gap
        batches.append(batch(*range(offset, offset + size)))
        offset += size
    hand = flight(*batches)
    todo = [(one, index) for one in batches for index in range(len(one.records))]
    order.shuffle(todo)
    unfinished = {one.records[index].offset for one, index in todo}

    for step, (one, index) in enumerate(todo):
        one.done(index)
        unfinished.discard(one.records[index].offset)
        committable = hand.committable()
        if committable is not None:
            assert all(left >= committable for left in unfinished)
            if step in commits:
                hand.committed = committable

    assert hand.committed == offset or hand.committable() == offset
    assert len(hand) == 0
