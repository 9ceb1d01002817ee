"""Whatever the bytes are, they are an event or refused: nothing else is ever raised because of them."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import Decoder, Reason, Undecodable, encode_avro, encode_json
from tests.unit.samples import ANY_JSON, CHANGES, SAMPLE, damaged, refused

DECODER = Decoder()


def is_an_event_or_refused(value: bytes) -> None:
    try:
        event = DECODER.decode(value)
    except Undecodable as fault:
        if fault.reason is Reason.UNEXPECTED or len(fault.detail) > 200:
            raise AssertionError from fault
        return
    json.dumps(event, allow_nan=False).encode()
    assert DECODER.decode(encode_avro(event)) == event
    assert DECODER.decode(encode_json(event)) == event


STARTS = st.sampled_from([b"", b"{", b" {", b"\0", b"\xc3\x01", encode_avro(SAMPLE)[:10]])


@given(STARTS, st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(start: bytes, rest: bytes) -> None:
    is_an_event_or_refused(start + rest)


@pytest.mark.parametrize("valid", [encode_avro(SAMPLE), encode_json(SAMPLE)], ids=["avro", "json"])
@given(CHANGES)
def test_a_damaged_event_is_an_event_or_refused(valid: bytes, changes: list[tuple[int, bytes]]) -> None:
    is_an_event_or_refused(damaged(valid, changes))


KNOWN = st.sampled_from(
    ["type", "messageId", "userId", "event", "timestamp", "properties", "extra", "channel"]
)


@given(st.dictionaries(KNOWN | st.text(max_size=3), ANY_JSON | st.just("track")))
def test_any_object_is_an_event_or_refused(event: dict[str, Any]) -> None:
    try:
        value = orjson.dumps(event)
    except orjson.JSONEncodeError:  # half a surrogate pair, or infinity: no JSON
        return
    is_an_event_or_refused(value)


def test_a_case_that_nobody_foresaw_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (MemoryError, RecursionError, OverflowError, KeyError):

        def fail(_: object, error: type[Exception] = error) -> None:
            raise error("s3cr3t")

        monkeypatch.setattr("orjson.loads", fail)
        assert refused(b"{}") == (Reason.UNEXPECTED, error.__name__)
