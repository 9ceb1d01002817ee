"""What `poison` writes: bytes that are no events, and why not; and what is strange, but an event."""

from collections.abc import Mapping, Sequence

from streams import codec
from streams.decoding import datum
from streams.headers import Header
from streams.verify.cluster import KAFKA

LARGEST = KAFKA["max_record_bytes"]
_TRACK = {"type": "track", "event": "E"}
_AVRO = codec.encode_avro(_TRACK)
_FRAME = datum.MARKER + list(datum.published("event"))[-1]


def _long(value: int) -> bytes:
    """A number as Avro writes it: zigzag, seven bits a byte."""
    left, written = (value << 1) ^ (value >> 63), bytearray()
    while left > 127:
        written.append(left & 127 | 128)
        left >>= 7
    return bytes([*written, left])


#: What the bytes are -> why they are no event.
NO_EVENTS: tuple[tuple[bytes | None, str], ...] = (
    (None, "empty"),
    (b"", "empty"),
    (b"\xff\xfe\xfd", "unsupported-format"),
    ('{"type":"track"}'.encode("utf-16"), "unsupported-format"),
    (b'[{"type":"track"}]', "unsupported-format"),
    (b'{"type":"track"', "not-json"),
    (b'{"type":"track","messageId":"\\ud800"}', "not-json"),
    (b'{"type":"track","event":"\xed\xa0\x80"}', "not-json"),
    (b'{"type":"track","properties":{"n":NaN}}', "not-json"),
    (b'{"type":"track","properties":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "too-deep"),
    (b'{"type":"track","properties":' + b'{"a":' * 128 + b"1" + b"}" * 129, "too-deep"),
    (b'{"type":"purchase"}', "invalid-event"),
    (b'{"type":"track","properties":"no"}', "invalid-event"),
    (b'{"type":"track","timestamp":1767225600}', "invalid-event"),
    (b'{"type":"track","userId":1e300}', "invalid-event"),
    (b'{"type":"track","messageId":"' + b"m" * 513 + b'"}', "invalid-event"),
    (b"\xc3\x0112345678datum", "unknown-schema"),
    (b"\x00\x00\x00\x00\x07datum", "unknown-schema"),
    (b"\x00\x00", "corrupt-avro"),
    (_AVRO[:-3], "corrupt-avro"),
    (_AVRO + b"\x00", "corrupt-avro"),
    (_FRAME, "corrupt-avro"),
    (_FRAME + _long(99), "corrupt-avro"),  # there is no such type of event
    (_FRAME + _long(0) + _long(1) + _long(1 << 60), "corrupt-avro"),  # an id of an exabyte
    (_FRAME + _long(0) + _long(1) + _long(-5), "corrupt-avro"),
    (_FRAME + b"\xff" * 20_000, "corrupt-avro"),  # a number without end
    (b'{"type":"track","messageId":"' + b"x" * (2 * LARGEST) + b'"}', "too-large"),
)

#: Headers that a producer has no business with, or that are merely strange.
HEADERS: Mapping[str, Sequence[Header]] = {
    "pretends to be tried often": [("distributary.attempt", b"99"), ("distributary.deadline", b"1")],
    "pretends to be another": [("distributary.event-id", b"e1"), ("distributary.source", b"events/0/0")],
    "nonsense of ours": [("distributary.due", b"\xff\xfe"), ("distributary.replay", b"x")],
    "null and empty": [("null", None), ("", b""), ("twice", b"1"), ("twice", b"2")],
    "many": [(f"h{number}", b"v" * 20) for number in range(300)],
    "64 KiB": [("large", b"v" * 65_536)],
    "a long name": [("n" * 20_000, b"v")],
}

#: Headers whose names are no text.
NAMES: Sequence[tuple[bytes, bytes | None]] = [
    (b"proper", b"1"), (b"\xff\xfe\xfd", b"2"), (b"\xed\xa0\x80", None), (b"distributary.\xff", b"4"),
    (b"also proper", b"5"),
]  # fmt: skip

#: Times of records: unknown, 1970, 1973, the year 2100, and the last that an event's headers could tell.
TIMES_MS: Sequence[int] = (-1, 0, 100_000_000_000, 4_102_444_800_000, 99_999_999_999_999)

#: What is added to the JSON of an event, and makes it one that can be routed and not read.
INFINITE = b',"context":{"n":1e400}'

#: What is added to the JSON of an event, and leaves it one.
STRANGE: Mapping[str, bytes] = {
    "no time": b',"timestamp":"yesterday","sentAt":""',
    "a time beyond all": b',"timestamp":"+999999-99-99T99:99:99Z"',
    "zero time": b',"timestamp":"0000-00-00T00:00:00Z","originalTimestamp":0',
    "nulls": b',"timestamp":null,"context":null,"event":null',
    "said twice": b',"type":"page","type":"identify","userId":"u2"',
    "great numbers": b',"context":{"n":1' + b"0" * 300 + b',"m":-1e308,"k":18446744073709551616}',
    "deep": b',"context":' + b'{"a":' * 126 + b"1" + b"}" * 126,
    "emoji and controls": ',"event":"\U0010ffff\u202e\\u0000\\u007f","name":"🦦"'.encode(),
    "hostile names": b',"__proto__":{"x":1},"constructor":1,"":2',
}
