"""What routing reads of an event is what reading all of it says."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import DEEPEST, Decoder, Outline, Reason, Undecodable, encode_avro, encode_json
from streams.decoding import outline
from streams.decoding.event import LONGEST_MESSAGE_ID, TYPES
from tests.unit.samples import ANY_JSON, CHANGES, SAMPLE, damaged

DECODER = Decoder(max_bytes=100_000)
OUTLINED = ("type", "messageId", "integrations")


def whole(value: bytes | None) -> tuple[Any, ...]:
    """What routing has to know, by reading everything."""
    try:
        event = DECODER.decode(value)
    except Undecodable as fault:
        return fault.reason, fault.detail
    return tuple(event.get(name) for name in OUTLINED)


def outlined(value: bytes | None) -> tuple[Any, ...]:
    """The same, as routing does."""
    try:
        found = DECODER.outline(value)
    except Undecodable as fault:
        return fault.reason, fault.detail
    return found.type, found.message_id, found.integrations


def assert_alike(value: bytes | None) -> None:
    """But for a number that no double holds."""
    expected = whole(value)
    if outlined(value) != expected and "infinity" not in expected[1]:
        raise AssertionError(f"{outlined(value)}, not {expected}")


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_an_event_as_it_should_be_is_not_read_as_a_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orjson.loads", None)

    for event in (SAMPLE | {"type": kind}, {"type": kind}, {"type": kind, "properties": {"é": "\U0001f600"}}):
        found = DECODER.outline(encode_json(event))
        assert (found.type, found.message_id) == (kind, event.get("messageId"))
        assert found.integrations == event.get("integrations")


def test_avro_has_an_outline_too() -> None:
    event = SAMPLE | {"integrations": {"crm": False}}
    assert DECODER.outline(encode_avro(event)) == Outline("track", "m-1", {"crm": False})


STRANGE = {
    "nothing": None,
    "no bytes": b"",
    "a byte order mark": b'\xef\xbb\xbf{"type":"track"}',
    "upper case": b'{"type":"TRACK"}',
    "a number as an id": b'{"type":"track","userId":12,"messageId":7}',
    "nulls": b'{"type":"track","userId":null,"messageId":null,"properties":null,"x":null}',
    "an id too long": encode_json({"type": "track", "messageId": "é" * (LONGEST_MESSAGE_ID + 1)}),
    "an id just not too long": encode_json({"type": "track", "messageId": "é" * LONGEST_MESSAGE_ID}),
    "an id without characters": b'{"type":"track","messageId":""}',
    "twice": b'{"type":"page","messageId":"a","type":"track","messageId":"b"}',
    "twice, first wrong": b'{"type":1,"userId":[],"type":"track","userId":"u"}',
    "twice, last wrong": b'{"type":"track","userId":"u","userId":[]}',
    "escaped names": b'{"\\u0074ype":"track","m\\u0065ssageId":"a"}',
    "our own names": b'{"type":"track","message_id":"a","kind":1}',
    "a text for properties": b'{"type":"track","properties":"{}"}',
    "a list for context": b'{"type":"track","context":[]}',
    "a list for integrations": b'{"type":"track","integrations":[]}',
    "integrations": b'{"type":"track","integrations":{"All":0.0,"a":{},"b":[1],"c":null}}',
    "large integrations": b'{"type":"track","integrations":{"All":1180591620717411303424}}',  # 2**70
    "infinite integrations": b'{"type":"track","integrations":{"All":1e400}}',
    "not UTF-8": b'{"type":"track","x":"\xff"}',
    "a name that is not UTF-8": b'{"type":"track","\xff":1}',
    "a raw surrogate": b'{"type":"track","x":"\xed\xa0\x80"}',
    "half a surrogate pair": b'{"type":"track","x":"\\ud800"}',
    "halves that do not fit": b'{"type":"track","x":"\\ud800\\u0041"}',
    "a control character": b'{"type":"track","x":"\x01"}',
    "not a number": b'{"type":"track","x":NaN}',
    "half a number": b'{"type":"track","x":1e}',
    "more than an object": b'{"type":"track"}{}',
    "too many bytes": b'{"type":"track","x":"' + b"x" * 100_000 + b'"}',
    "as deep as can be": b'{"type":"track","x":' + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1) + b"}",
    "too deep": b'{"type":"track","x":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
    "far too deep": b'{"type":"track","x":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
    "many brackets": b'{"type":"track","x":"' + b"[" * 1000 + b'"}',
}


@pytest.mark.parametrize("name", STRANGE)
def test_the_outline_says_what_the_whole_says(name: str) -> None:
    assert outlined(STRANGE[name]) == whole(STRANGE[name])


NEAR = encode_json(SAMPLE | {"type": "track"})


@given(CHANGES)
def test_of_a_damaged_event_too(changes: list[tuple[int, bytes]]) -> None:
    assert_alike(damaged(NEAR, changes))


@given(
    st.dictionaries(st.sampled_from([*Outline.__struct_encode_fields__, "x"]), ANY_JSON | st.just("track"))
)
def test_of_any_object_too(event: dict[str, Any]) -> None:
    try:
        value = orjson.dumps(event)
    except orjson.JSONEncodeError:  # half a surrogate pair
        return
    assert_alike(value)


@pytest.mark.parametrize("number", [b"1e400", b"-1e309", b"1" * 400])
def test_a_number_that_no_double_holds_is_found_where_all_is_read(number: bytes) -> None:
    value = b'{"type":"track","properties":{"n":' + number + b"}}"

    assert outlined(value) == ("track", None, None)
    assert whole(value)[0] is Reason.NOT_JSON


def test_of_an_endless_whole_number_in_the_integrations_nobody_minds_the_size() -> None:
    value = b'{"type":"track","integrations":{"All":' + b"9" * 400 + b"}}"

    assert outlined(value) == ("track", None, {"All": int("9" * 400)})
    assert whole(value)[0] is Reason.NOT_JSON


@pytest.mark.parametrize("error", [RecursionError, MemoryError, OverflowError])
def test_a_case_that_nobody_foresaw_is_left_to_reading_all(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(outline, "_read", fail)
    assert outlined(NEAR) == whole(NEAR)
