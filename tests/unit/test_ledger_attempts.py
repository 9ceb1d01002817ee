"""Reading of an attempt only what the sums need: the same as decoding it, whatever the bytes are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.decoding import datum
from streams.ledger import attempts
from streams.ledger.attempts import Attempts, Kind
from streams.records import Attempt, Outcome
from tests.unit.books import attempt

#: Longer than 63 bytes takes two bytes of length.
TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
MAYBE = st.none() | TEXT
ATTEMPTS = st.builds(
    Attempt,
    event_id=TEXT,
    destination=TEXT,
    source_topic=TEXT,
    source_partition=st.integers(0, 2**31 - 1),
    source_offset=st.integers(0, 2**62),
    replay=MAYBE,
    attempt=st.integers(0, 2**31 - 1),
    outcome=st.sampled_from(Outcome),
    code=MAYBE,
    reason=MAYBE,
    ambiguous=st.booleans(),
    started_ms=st.integers(0, 2**50),
    elapsed_ms=st.integers(0, 2**40),
    body_head=MAYBE,
    worker=TEXT,
)


def gathered(*values: bytes | None) -> list[tuple[Kind, list[int]]]:
    found = Attempts()
    for value in values:
        found.add(value)
    return list(found.take())


@given(st.lists(ATTEMPTS, max_size=8))
def test_it_is_what_decoding_finds(made: list[Attempt]) -> None:
    found = gathered(*(one.encode() for one in made))

    one_by_one = [(kind, offset) for kind, offsets in found for offset in offsets]
    expected = [(Kind.of(one), one.source_offset) for one in made]
    assert sorted(one_by_one, key=repr) == sorted(expected, key=repr)


def test_attempts_that_count_alike_come_together() -> None:
    values = [attempt(offset, Outcome.DELIVERED, code="200").encode() for offset in (3, 700, 5, 2**40)]

    assert [offsets for _, offsets in gathered(*values)] == [[3, 700, 5, 2**40]]


@given(ATTEMPTS, st.data())
def test_a_record_that_was_cut_off_is_no_attempt(made: Attempt, data: st.DataObject) -> None:
    value = made.encode()
    tail = value[: data.draw(st.integers(0, len(value) - 1))]
    found = gathered(tail)

    # Behind the fields that are needed it is not looked.
    known = (Kind.of(made), [made.source_offset])
    assert found in ([], [known])


@given(st.binary(max_size=60))
def test_bytes_behind_our_own_mark_never_raise(noise: bytes) -> None:
    for mark in datum.published("attempt"):
        for _, offsets in gathered(datum.MARKER + mark + noise, noise, None):
            assert all(0 <= offset < 2**63 for offset in offsets)


@pytest.mark.parametrize("offset", [-1, -(2**62)])
def test_an_offset_that_kafka_never_gives_is_passed_over(offset: int) -> None:
    assert gathered(attempt(offset, Outcome.DELIVERED).encode()) == []


def test_every_published_version_is_read_the_fast_way() -> None:
    # If this fails, a new version has another beginning: teach `_glance` to read it, too.
    assert {datum.MARKER + mark for mark in datum.published("attempt")} == attempts._KNOWN


def test_a_version_with_another_beginning_is_decoded_in_full(monkeypatch: Any) -> None:
    monkeypatch.setattr(attempts, "_KNOWN", frozenset[bytes]())
    made = attempt(7, Outcome.RETRY, ambiguous=True)

    assert gathered(made.encode()) == [(Kind.of(made), [7])]
