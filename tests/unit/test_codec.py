"""Bytes to events and back, in three formats, whatever the bytes are."""

import json
from typing import Any

import orjson
import pytest

from streams.codec import (
    DEEPEST,
    Decoder,
    Reason,
    encode_avro,
    encode_json,
)
from streams.decoding import datum
from tests.unit import referee
from tests.unit.samples import EVENT, SAMPLE, refused

DECODER = Decoder()


def single_object(**fields: Any) -> bytes:
    return datum.parse(EVENT).write_single_object({"type": "track"} | fields)


# -- formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encode", [encode_json, encode_avro])
def test_an_event_comes_back_as_it_was(encode: Any) -> None:
    assert DECODER.decode(encode(SAMPLE)) == SAMPLE
    assert DECODER.decode(encode({"type": "page"})) == {"type": "page"}


@pytest.mark.parametrize("before", [b" ", b"\r\n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_json_may_begin_with_white_space_or_a_byte_order_mark(before: bytes) -> None:
    assert DECODER.decode(before + b'{"type":"page"}\n') == {"type": "page"}


def test_apaches_library_reads_what_we_write() -> None:
    found = referee.read_single_object(EVENT, encode_avro(SAMPLE))
    assert found["event"] == SAMPLE["event"]
    assert json.loads(found["properties"]) == SAMPLE["properties"]
    assert json.loads(found["extra"]) == {"channel": "web", "extra": SAMPLE["extra"]}
    assert found["groupId"] is None


def test_we_read_what_apaches_library_writes() -> None:
    fields = {"type": "identify", "userId": "u", "traits": '{"plan": "pro"}', "extra": '{"channel": "web"}'}
    value = referee.write_single_object(EVENT, fields)
    assert DECODER.decode(value) == {
        "type": "identify",
        "userId": "u",
        "traits": {"plan": "pro"},
        "channel": "web",
    }


def test_the_fields_of_the_schema_win_over_extra_ones() -> None:
    value = single_object(
        userId="u", extra='{"userId": "another", "type": "alias", "groupId": 7, "extra": 1}'
    )
    assert DECODER.decode(value) == {"type": "track", "userId": "u", "groupId": "7", "extra": 1}


def test_a_missing_object_may_be_written_as_null_in_json_text() -> None:
    assert DECODER.decode(single_object(properties="null")) == {"type": "track"}


# -- refusals ----------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    """A JSON object in so many levels."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b'{"type":"page","x":"' + b"x" * 1024 * 1024 + b'"}', Reason.TOO_LARGE),
        # Neither one nor the other.
        (b"type=page", Reason.UNSUPPORTED_FORMAT),
        (b'[{"type":"page"}]', Reason.UNSUPPORTED_FORMAT),
        (b'"page"', Reason.UNSUPPORTED_FORMAT),
        (b" \n\t", Reason.UNSUPPORTED_FORMAT),
        ('{"type":"page"}'.encode("utf-16"), Reason.UNSUPPORTED_FORMAT),
        (b"\xc3\x02", Reason.UNSUPPORTED_FORMAT),
        (b"\xc3", Reason.UNSUPPORTED_FORMAT),
        (b"\x1f\x8b\x08", Reason.UNSUPPORTED_FORMAT),
        # Not quite JSON.
        (b"{", Reason.NOT_JSON),
        (b"{'type':'page'}", Reason.NOT_JSON),
        (b'{"type":"page"}{"type":"page"}', Reason.NOT_JSON),
        (b'{"type":"page","x":NaN}', Reason.NOT_JSON),
        (b'{"type":"page","x":Infinity}', Reason.NOT_JSON),
        (b'{"type":"page","x":1e999}', Reason.NOT_JSON),
        (b'{"type":"page","x":"\\ud800"}', Reason.NOT_JSON),
        (b'{"type":"page","x":"\xed\xa0\x80"}', Reason.NOT_JSON),
        (b'{"type":"page","x":"\xff"}', Reason.NOT_JSON),
        (b'{"type":"page","x":"\n"}', Reason.NOT_JSON),
        # Bombs.
        (b'{"type":"page","x":' + nested(DEEPEST) + b"}", Reason.TOO_DEEP),
        (b'{"type":"page","x":' + nested(1000) + b"}", Reason.TOO_DEEP),
        (b'{"a":' * 100_000, Reason.TOO_DEEP),
        (b'{"type":"page","x":' + b"[" * 100_000, Reason.TOO_DEEP),
        # Avro.
        (b"\xc3\x01", Reason.CORRUPT_AVRO),
        (b"\xc3\x01" + b"\0" * 7, Reason.CORRUPT_AVRO),
        (b"\xc3\x01" + b"\0" * 8, Reason.UNKNOWN_SCHEMA),
        (encode_avro(SAMPLE)[:-1], Reason.CORRUPT_AVRO),
        (encode_avro(SAMPLE)[:10], Reason.CORRUPT_AVRO),
        (encode_avro(SAMPLE) + b"\0", Reason.CORRUPT_AVRO),
        (single_object(properties="{"), Reason.NOT_JSON),
        (single_object(properties="[]"), Reason.NOT_JSON),
        (single_object(extra="7"), Reason.NOT_JSON),
        (single_object(traits=nested(DEEPEST + 1).decode()), Reason.TOO_DEEP),
        (single_object(context="[" * 100_000), Reason.TOO_DEEP),
        # The Confluent wire format without a registry.
        (b"\0", Reason.CORRUPT_AVRO),
        (b"\0\0\0\0\7x", Reason.UNKNOWN_SCHEMA),
        # It can be read, and is no event.
        (b"{}", Reason.INVALID_EVENT),
        (b'{"type":"delete"}', Reason.INVALID_EVENT),
        (single_object(messageId=""), Reason.INVALID_EVENT),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value,
)
def test_what_is_no_event_is_refused_for_a_reason(value: bytes | None, reason: Reason) -> None:
    found, detail = refused(value)
    assert found is reason
    assert 0 < len(detail) <= 200


def test_what_is_just_not_too_deep_is_an_event() -> None:
    value = b'{"type":"page","x":' + nested(DEEPEST - 1) + b"}"
    assert orjson.dumps(DECODER.decode(value)) == value
    # Brackets side by side, or in strings, are not depth.
    assert DECODER.decode(b'{"type":"page","x":[' + b"[]," * 500 + b'"' + b"[" * 500 + b'"]}')


def test_the_size_that_is_allowed_is_a_setting() -> None:
    decoder = Decoder(max_bytes=15)
    assert decoder.decode(b'{"type":"page"}')
    assert refused(b'{"type":"page"} ', decoder) == (Reason.TOO_LARGE, "16 bytes; 15 are allowed")


def test_json_of_a_kind_may_mean_less_than_it_says() -> None:
    event = DECODER.decode(b'{"type":"page","a":1,"a":2,"big":36893488147419103232,"nul":"\\u0000"}')
    assert event == {"type": "page", "a": 2, "big": 2.0**65, "nul": "\0"}


def test_no_detail_quotes_the_event() -> None:
    secret = "s3cr3t"
    for value in (
        b'{"type":"page","userId":"%s",}',
        b'{"type":"page","userId":"%s"} x',
        b'{"type":"%s"}',
        b'{"type":"page","name":["%s"]}',
        single_object(properties='{"a": %s}'),
        single_object(userId="%s", messageId="m" * 513),
        b"%s",
    ):
        reason, detail = refused(value.replace(b"%s", secret.encode()))
        assert secret not in f"{reason} {detail}"
