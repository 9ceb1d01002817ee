"""Records of attempts, to bytes and back, with Apache's library as the referee."""

import itertools
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from streams import attempts
from streams.attempts import Attempt, Outcome
from streams.decoding import datum
from streams.decoding.undecodable import Reason, Undecodable
from streams.headers import Source, Tracking
from tests.unit import referee

SINGLE, TOGETHER = schemas.current("attempt"), schemas.current("attempts")
OF_ONE = ("event_id", "source_offset", "started_ms", "elapsed_ms", "not_before_ms", "body_head")

FAILED = Attempt(
    event_id="m-1",
    destination="crm-hook",
    source_topic="events",
    source_partition=3,
    source_offset=2**40,
    replay="r-1",
    attempt=2,
    outcome=Outcome.RETRY,
    code="503",
    ambiguous=True,
    started_ms=1_763_761_487_123,
    elapsed_ms=87,
    tier="1m",
    not_before_ms=1_763_761_547_123,
    body_head="überlastet",
    worker="worker-0",
)
DELIVERED = Attempt(
    event_id="events/3/17",
    destination="slack",
    source_topic="events",
    source_partition=0,
    source_offset=0,
    attempt=1,
    outcome=Outcome.DELIVERED,
    code="200",
    started_ms=0,
    elapsed_ms=0,
    worker="",
)
SECOND = replace(DELIVERED, event_id="events/3/18", source_offset=1, started_ms=5)

LONGS, TEXTS = st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]))
MAYBE = st.none() | TEXTS
ATTEMPTS = st.builds(
    Attempt,
    event_id=TEXTS, destination=TEXTS, source_topic=TEXTS, source_partition=st.integers(0, 2**31 - 1),
    source_offset=LONGS, replay=MAYBE, attempt=st.integers(0, 2**31 - 1), outcome=st.sampled_from(Outcome),
    code=MAYBE, reason=MAYBE, ambiguous=st.booleans(), started_ms=LONGS, elapsed_ms=LONGS, tier=MAYBE,
    not_before_ms=st.none() | LONGS, body_head=MAYBE, worker=TEXTS,
)  # fmt: skip


def values(*made: Attempt) -> dict[str, object]:
    """The groups of these, which are in the order of their groups."""

    def common(one: Attempt) -> dict[str, object]:
        return {name: value for name, value in asdict(one).items() if name not in OF_ONE}

    return {
        "groups": [
            alike | {"events": [{name: asdict(one)[name] for name in OF_ONE} for one in several]}
            for alike, several in itertools.groupby(made, common)
        ]
    }


def encoded(*made: Attempt) -> bytes:
    [value] = attempts.encode(made)
    return value


def single(made: Attempt) -> bytes:
    """As earlier versions wrote it."""
    return next(iter(datum.published("attempt").values())).write_single_object(asdict(made))


def test_attempts_come_back_as_they_were() -> None:
    found = attempts.decode(encoded(FAILED, DELIVERED, SECOND))
    assert found == [FAILED, DELIVERED, SECOND]
    assert found[0].outcome is FAILED.outcome


def test_a_single_attempt_as_earlier_versions_wrote_it_is_read() -> None:
    assert attempts.decode(single(FAILED)) == [FAILED]


@pytest.mark.parametrize("made", [[FAILED], [DELIVERED, SECOND], [FAILED, DELIVERED, SECOND]])
def test_apaches_library_reads_and_writes_the_same_attempts(made: list[Attempt]) -> None:
    assert referee.read_single_object(TOGETHER, encoded(*made)) == values(*made)
    assert referee.write_single_object(TOGETHER, values(*made)) == encoded(*made)


@given(ATTEMPTS)
def test_any_attempt_is_written_as_fastavro_writes_it(made: Attempt) -> None:
    cut = replace(made, body_head=made.body_head and made.body_head[: attempts.LONGEST_BODY_HEAD])
    current = list(datum.published("attempts").values())[-1]
    assert encoded(made) == current.write_single_object(values(cut))


@given(st.lists(ATTEMPTS, max_size=8), st.lists(st.integers(0, 7), max_size=30))
def test_any_attempts_are_all_there_those_that_are_alike_together(
    made: list[Attempt], which: list[int]
) -> None:
    several = [replace(made[at % len(made)], source_offset=n) for n, at in enumerate(which) if made]

    found = [one for value in attempts.encode(several) for one in attempts.decode(value)]

    assert sorted(found, key=lambda one: one.source_offset) == several


def test_what_is_in_common_is_written_once() -> None:
    made = [replace(DELIVERED, destination="a-name-of-some-length", source_offset=n) for n in range(100)]
    assert encoded(*made).count(b"a-name-of-some-length") == 1


def test_many_attempts_are_several_records_none_of_which_is_large() -> None:
    made = [replace(FAILED, body_head="☕" * 512, source_offset=number) for number in range(100)]

    several = attempts.encode(made)

    assert [one for value in several for one in attempts.decode(value)] == made
    assert len(several) > 5
    assert max(map(len, several)) < 32 * 1024


def test_no_attempts_are_no_records() -> None:
    assert attempts.encode([]) == []


def test_the_head_of_a_body_is_bounded() -> None:
    [found] = attempts.decode(encoded(replace(FAILED, body_head="☕" * 1000)))
    assert found.body_head == "☕" * 512


def test_half_a_surrogate_pair_in_an_error_text_does_not_cost_the_record() -> None:
    [found] = attempts.decode(encoded(replace(FAILED, body_head="a\ud800b", code="\udfff")))
    assert (found.body_head, found.code) == ("a?b", "?")


def test_a_later_versions_outcome_is_read_as_unknown() -> None:
    parked = referee.write_single_object(SINGLE, asdict(FAILED) | {"outcome": "parked"})
    later = values(FAILED)
    later["groups"][0]["outcome"] = "parked"  # type: ignore[index]

    for value in (parked, referee.write_single_object(TOGETHER, later)):
        assert [one.outcome for one in attempts.decode(value)] == [Outcome.UNKNOWN]


def test_a_redrive_leaves_a_note_of_which_dead_event_it_was() -> None:
    tracking = Tracking("crm-hook", "m-1", Source("events", 3, 17), attempt=10, replay="r-1")
    note = Attempt.redriven(tracking, at="dlq/0/5", now_ms=1_763_761_487_123, worker="cli")
    assert attempts.decode(encoded(note)) == [note]
    assert (note.outcome, note.reason, note.source_offset, note.replay) == (
        Outcome.REDRIVEN,
        "dlq/0/5",
        17,
        "r-1",
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.UNSUPPORTED_FORMAT),
        (b"", Reason.UNSUPPORTED_FORMAT),
        (b"{}", Reason.UNSUPPORTED_FORMAT),
        (encoded(FAILED)[:9], Reason.CORRUPT_AVRO),
        (encoded(FAILED)[:-1], Reason.CORRUPT_AVRO),
        (encoded(FAILED) + b"x", Reason.CORRUPT_AVRO),
        (single(FAILED)[:-1], Reason.CORRUPT_AVRO),
        (b"\xc3\x01" + b"\0" * 20, Reason.UNKNOWN_SCHEMA),
    ],
)
def test_what_is_no_record_of_attempts_is_refused(value: bytes | None, reason: Reason) -> None:
    with pytest.raises(Undecodable) as caught:
        attempts.decode(value)
    assert caught.value.reason is reason
    assert list(attempts.readable([value, encoded(FAILED)])) == [FAILED]


@given(st.binary(max_size=60))
def test_bytes_behind_our_own_mark_are_attempts_or_refused(noise: bytes) -> None:
    for mark in (*datum.published("attempt"), *datum.published("attempts")):
        for value in (datum.MARKER + mark + noise, noise):
            assert all(isinstance(one, Attempt) for one in attempts.readable([value]))
