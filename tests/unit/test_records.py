"""Attempt and routed records, to bytes and back, with Apache's library as the referee."""

from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from streams import records
from streams.decoding import datum
from streams.decoding.undecodable import Reason, Undecodable
from streams.headers import Source, Tracking
from streams.records import Attempt, Lane, Outcome, Routed
from tests.unit import referee

ATTEMPT, ROUTED = schemas.current("attempt"), schemas.current("routed")

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


@dataclass(frozen=True)
class At:
    """A record, as far as it matters here."""

    offset: int


def routed(offsets: list[int], lanes: dict[tuple[str, str | None], list[int]]) -> list[Routed]:
    return Routed.of("events", 3, [At(offset) for offset in offsets], lanes)


# -- attempts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [FAILED, DELIVERED])
def test_an_attempt_comes_back_as_it_was(attempt: Attempt) -> None:
    found = Attempt.decode(attempt.encode())
    assert found == attempt
    assert found.outcome is attempt.outcome


@pytest.mark.parametrize("attempt", [FAILED, DELIVERED])
def test_apaches_library_reads_and_writes_the_same_attempt(attempt: Attempt) -> None:
    values = asdict(attempt) | {"outcome": attempt.outcome.value}
    assert referee.read_single_object(ATTEMPT, attempt.encode()) == values
    assert referee.write_single_object(ATTEMPT, values) == attempt.encode()


LONGS, TEXTS = st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        Attempt,
        event_id=TEXTS, destination=TEXTS, source_topic=TEXTS, source_partition=st.integers(0, 2**31 - 1),
        source_offset=LONGS, replay=st.none() | TEXTS, attempt=st.integers(0, 2**31 - 1),
        outcome=st.sampled_from(Outcome), code=st.none() | TEXTS, reason=st.none() | TEXTS,
        ambiguous=st.booleans(), started_ms=LONGS, elapsed_ms=LONGS, tier=st.none() | TEXTS,
        not_before_ms=st.none() | LONGS, body_head=st.none() | TEXTS, worker=TEXTS,
    )
)  # fmt: skip
def test_any_attempt_is_written_as_fastavro_writes_it(attempt: Attempt) -> None:
    values = asdict(attempt) | {"outcome": attempt.outcome.value}
    current = list(datum.published("attempt").values())[-1]
    assert attempt.encode() == current.write_single_object(values)


def test_the_head_of_a_body_is_bounded() -> None:
    found = Attempt.decode(replace(FAILED, body_head="☕" * 1000).encode())
    assert found.body_head == "☕" * 512


def test_half_a_surrogate_pair_in_an_error_text_does_not_cost_the_record() -> None:
    found = Attempt.decode(replace(FAILED, body_head="a\ud800b", code="\udfff").encode())
    assert (found.body_head, found.code) == ("a?b", "?")


def test_a_later_versions_outcome_is_read_as_unknown() -> None:
    value = referee.write_single_object(ATTEMPT, asdict(FAILED) | {"outcome": "parked"})
    assert Attempt.decode(value).outcome is Outcome.UNKNOWN


def test_a_redrive_leaves_a_note_of_which_dead_event_it_was() -> None:
    tracking = Tracking("crm-hook", "m-1", Source("events", 3, 17), attempt=10, replay="r-1")
    note = Attempt.redriven(tracking, at="dlq/0/5", now_ms=1_763_761_487_123, worker="cli")
    assert Attempt.decode(note.encode()) == note
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
        (FAILED.encode()[:9], Reason.CORRUPT_AVRO),
        (FAILED.encode()[:-1], Reason.CORRUPT_AVRO),
        (FAILED.encode() + b"x", Reason.CORRUPT_AVRO),
        (b"\xc3\x01" + b"\0" * 20, Reason.UNKNOWN_SCHEMA),
    ],
)
def test_what_is_no_attempt_is_refused(value: bytes | None, reason: Reason) -> None:
    with pytest.raises(Undecodable) as caught:
        Attempt.decode(value)
    assert caught.value.reason is reason
    with pytest.raises(Undecodable):
        Routed.decode(value)


# -- routed batches ----------------------------------------------------------------------------

LANES: dict[tuple[str, str | None], list[int]] = {
    ("crm", None): [100, 101, 103, 108],
    ("crm", "types"): [105],
    ("slack", None): [108],
    ("", "not-json"): [104],
}


#: As producers say them: back and forth, the beginning of time, none at all, far ahead.
INSTANTS = [1_760_000_000_000, 1_759_999_999_995, 0, -1, 4_102_444_800_000, 4_102_444_800_000]


def test_a_routed_batch_comes_back_as_it_was() -> None:
    at = [100, 101, 103, 104, 105, 108]
    (batch,) = Routed.of("events", 3, [At(offset) for offset in at], LANES, None, INSTANTS)

    assert (batch.base_offset, batch.last_offset) == (100, 108)
    found = Routed.decode(batch.encode())
    assert found == batch
    assert {lane: found.offsets(lane) for lane in found.lanes} == LANES
    assert found.offsets(Lane("nobody")) == []
    assert (found.all_offsets(), found.instants()) == (at, INSTANTS)


def test_a_note_of_version_1_has_no_times() -> None:
    (batch,) = routed([100, 101], {("crm", None): [100, 101]})
    oldest = next(iter(datum.published("routed").values()))

    found = Routed.decode(oldest.write_single_object(batch.values()))

    assert found == batch
    assert (found.times, found.instants(), list(found.all_offsets())) == (None, [], [100, 101])


def test_apaches_library_reads_and_writes_the_same_routed_batch() -> None:
    (batch,) = Routed.of("events", 3, [At(100), At(108)], LANES, "r-1", INSTANTS[:2])
    values = {
        "source_topic": "events",
        "partition": 3,
        "base_offset": 100,
        "last_offset": 108,
        "replay": "r-1",
        "lanes": [
            # Offsets 100, 101 and 103 are bits 0, 1 and 3 of the first byte; 108 is bit 0 of the second.
            {"destination": "crm", "rule": None, "offsets": b"\x0b\x01"},
            {"destination": "crm", "rule": "types", "offsets": b"\x20"},
            {"destination": "slack", "rule": None, "offsets": b"\x00\x01"},
            {"destination": "", "rule": "not-json", "offsets": b"\x10"},
        ],
        "times": [1_760_000_000_000, -5],
    }
    assert referee.read_single_object(ROUTED, batch.encode()) == values
    assert referee.write_single_object(ROUTED, values) == batch.encode()


def test_no_records_leave_nothing_to_say() -> None:
    assert routed([], {}) == []


@given(st.sets(st.integers(0, 2**40), min_size=1, max_size=30), st.data())
def test_a_gap_in_the_partition_makes_more_records_not_larger_ones(
    offsets: set[int], data: st.DataObject
) -> None:
    ordered = sorted(offsets)
    lanes = {("a", None): ordered, ("b", "rule"): sorted(data.draw(st.sets(st.sampled_from(ordered))))}

    batches = Routed.of("events", 3, [At(offset) for offset in ordered], lanes, None, ordered)

    assert [instant for batch in batches for instant in batch.instants()] == ordered
    assert [offset for batch in batches for offset in batch.all_offsets()] == ordered
    assert [offset for batch in batches for offset in batch.offsets(Lane("a"))] == ordered
    assert [offset for batch in batches for offset in batch.offsets(Lane("b", "rule"))] == lanes["b", "rule"]
    assert all(len(batch.encode()) < 2 * records.LONGEST_SPAN // 8 + 500 for batch in batches)
    assert all(Routed.decode(batch.encode()) == batch for batch in batches)
