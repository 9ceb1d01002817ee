"""What the workers record of routing: which events of a batch went where, and what kept others back.

Avro by schemas/routed.avsc in the single-object encoding. `decode` reads every published version, in the
shape of the current one, and raises Undecodable for anything else.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self

from streams.decoding import datum
from streams.decoding.undecodable import Undecodable

#: A Routed covers at most this many offsets, so that a gap in the partition can't make a bitmap of megabytes.
LONGEST_SPAN = 65_536

_ROUTED = datum.published("routed")
_ROUTED_NOW = list(_ROUTED.values())[-1]

#: byte of a bitmap -> which of its bits are set, lowest first
_BITS = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]


class Lane(NamedTuple):
    """A way that records went. A tuple, because one is hashed per event and destination."""

    #: The destination's name; empty for records that are no event.
    destination: str
    #: None: they are on the destination's topic. Else what kept them back.
    rule: str | None = None


class Located(Protocol):
    """A record as a Kafka client gives it."""

    @property
    def offset(self) -> int:
        """Its place in its partition."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What was decided about the records of a stretch of one partition."""

    source_topic: str
    partition: int
    base_offset: int
    last_offset: int
    replay: str | None
    #: lane -> bitmap: bit i, lowest bit of the first byte first, is the record at base_offset + i
    lanes: Mapping[Lane, bytes]
    #: The timestamps of all of them in offset order, each as the difference to the one before, the first as
    #: epoch ms. None in what version 1 wrote.
    times: Sequence[int] | None = None

    @classmethod
    def of(
        cls,
        topic: str,
        partition: int,
        records: Sequence[Located],
        lanes: Mapping[tuple[str, str | None], Sequence[int]],
        replay: str | None = None,
        instants: Sequence[int] | None = None,
    ) -> list[Self]:
        """What was decided about these records, in offset order; `lanes` maps each lane to its offsets.

        `instants` are the records' timestamps, epoch ms. More than one only if the offsets are far apart,
        as in a compacted topic. None without records.
        """
        offsets, made = [record.offset for record in records], []
        first = 0
        for base, last, count in _spans(offsets):
            times = None if instants is None else _differences(instants[first : first + count])
            made.append(cls(topic, partition, base, last, replay, _bitmaps(base, last, lanes), times))
            first += count
        return made

    def offsets(self, lane: Lane) -> list[int]:
        """The offsets of the records in a lane, ascending."""
        return _places(self.base_offset, self.lanes.get(lane, b""))

    def all_offsets(self) -> Sequence[int]:
        """The offsets of the records in any lane: of all, then; ascending."""
        bits = 0
        for bitmap in self.lanes.values():
            bits |= int.from_bytes(bitmap, "little")
        span = self.last_offset + 1 - self.base_offset
        if bits == (1 << span) - 1:
            return range(self.base_offset, self.last_offset + 1)
        return _places(self.base_offset, bits.to_bytes(bits.bit_length() // 8 + 1, "little"))

    def instants(self) -> list[int]:
        """The timestamps of all, as epoch ms, in offset order; empty where version 1 wrote none."""
        return list(itertools.accumulate(self.times or ()))

    def encode(self) -> bytes:
        """The record's value."""
        return _write(_ROUTED_NOW, self.values())

    def values(self) -> dict[str, Any]:
        """By the names that the schema has for them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["lanes"] = [lane._asdict() | {"offsets": bitmap} for lane, bitmap in self.lanes.items()]
        return values

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """What a record's value says was decided."""
        values = datum.read_single_object(value, _ROUTED, _ROUTED_NOW)
        lanes = {Lane(lane["destination"], lane["rule"]): lane["offsets"] for lane in values.pop("lanes")}
        return cls(**values, lanes=lanes)


def readable(values: Iterable[bytes | None]) -> Iterator[Routed]:
    """Those values that are such records; what somebody put on our topic by hand is passed over."""
    for value in values:
        try:
            record = Routed.decode(value)
        except Undecodable:
            continue
        yield record


def _spans(offsets: Sequence[int]) -> list[tuple[int, int, int]]:
    """The first and last offset of each stretch of at most LONGEST_SPAN offsets, and how many it has."""
    if offsets and offsets[-1] - offsets[0] < LONGEST_SPAN:
        return [(offsets[0], offsets[-1], len(offsets))]  # mostly
    spans: list[tuple[int, int, int]] = []
    for offset in offsets:
        if spans and offset - spans[-1][0] < LONGEST_SPAN:
            spans[-1] = spans[-1][0], offset, spans[-1][2] + 1
        else:
            spans.append((offset, offset, 1))
    return spans


def _differences(instants: Sequence[int]) -> list[int]:
    return [*instants[:1], *(later - before for before, later in itertools.pairwise(instants))]


def _places(base: int, bitmap: bytes) -> list[int]:
    return [base + 8 * i + bit for i, byte in enumerate(bitmap) for bit in _BITS[byte]]


def _bitmaps(
    base: int, last: int, lanes: Mapping[tuple[str, str | None], Sequence[int]]
) -> dict[Lane, bytes]:
    within = {Lane(*lane): _bitmap(base, last, offsets) for lane, offsets in lanes.items()}
    return {lane: bitmap for lane, bitmap in within.items() if bitmap}


def _bitmap(base: int, last: int, offsets: Sequence[int]) -> bytes:
    """Those of the offsets that are within, which are ascending, from the lowest bit of the first byte on."""
    span = last - base + 1
    if len(offsets) == span and offsets[0] == base and offsets[-1] == last:
        return ((1 << span) - 1).to_bytes((span + 7) // 8, "little")  # mostly: all of them
    places = [offset - base for offset in offsets if base <= offset <= last]
    bitmap = bytearray(max(places) // 8 + 1 if places else 0)
    for place in places:
        bitmap[place >> 3] |= 1 << (place & 7)
    return bytes(bitmap)


def _write(schema: datum.Schema, values: dict[str, Any]) -> bytes:
    try:
        return schema.write_single_object(values)
    except UnicodeEncodeError:  # half a surrogate pair from somebody's error text must not stop the settling
        return schema.write_single_object({name: _writable(value) for name, value in values.items()})


def _writable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
