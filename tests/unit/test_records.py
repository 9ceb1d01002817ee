"""Notes of routing, to bytes and back, with Apache's library as the referee."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

import schemas
from streams import records
from streams.decoding import datum
from streams.records import Lane, Routed
from tests.unit import referee

ROUTED = schemas.current("routed")


@dataclass(frozen=True)
class At:
    """A record, as far as it matters here."""

    offset: int


def routed(offsets: list[int], lanes: dict[tuple[str, str | None], list[int]]) -> list[Routed]:
    return Routed.of("events", 3, [At(offset) for offset in offsets], lanes)


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
