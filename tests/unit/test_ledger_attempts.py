"""Reading of attempts only what the sums need: the same as decoding them, whatever the bytes are."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import attempts
from streams.attempts import Attempt, Outcome
from streams.decoding import datum
from streams.ledger.attempts import Attempts, Kind
from tests.unit.books import attempt
from tests.unit.test_attempts import ATTEMPTS, single


def gathered(*values: bytes | None) -> list[tuple[Kind, list[int]]]:
    found = Attempts()
    for value in values:
        found.add(value)
    return list(found.take())


def kind(of: Attempt) -> Kind:
    return Kind(**{name: value for name, value in asdict(of).items() if name in Kind._fields})


@given(st.lists(ATTEMPTS.filter(lambda one: one.source_offset >= 0), max_size=8), st.booleans())
def test_it_is_what_decoding_finds(made: list[Attempt], together: bool) -> None:
    found = gathered(*(attempts.encode(made) if together else map(single, made)))

    one_by_one = [(kind, offset) for kind, offsets in found for offset in offsets]
    expected = [(kind(one), one.source_offset) for one in made]
    assert sorted(one_by_one, key=repr) == sorted(expected, key=repr)


def test_attempts_that_count_alike_come_together() -> None:
    made = [attempt(offset, Outcome.DELIVERED, code="200") for offset in (3, 700, 5, 2**40)]

    assert [offsets for _, offsets in gathered(*attempts.encode(made[:2]), *attempts.encode(made[2:]))] == [
        [3, 700, 5, 2**40]
    ]


@given(st.binary(max_size=60))
def test_bytes_behind_our_own_mark_never_raise(noise: bytes) -> None:
    for mark in (*datum.published("attempt"), *datum.published("attempts")):
        for _, offsets in gathered(datum.MARKER + mark + noise, noise, None):
            assert all(0 <= offset < 2**63 for offset in offsets)


@pytest.mark.parametrize("offset", [-1, -(2**62)])
def test_an_offset_that_kafka_never_gives_is_passed_over(offset: int) -> None:
    given_by_kafka = attempt(7, Outcome.DELIVERED)
    [value] = attempts.encode([attempt(offset, Outcome.DELIVERED), given_by_kafka])
    assert gathered(value) == [(kind(given_by_kafka), [7])]
