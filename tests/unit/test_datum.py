"""Avro data by any schema: what can be read, and what would bring a worker down."""

import json
import math
import time
import tracemalloc
from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.decoding import datum
from streams.decoding.datum import UnsupportedSchema, parse, plain
from streams.decoding.undecodable import Reason, Undecodable
from tests.unit import referee

TEXT = parse(json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}))


def schema(*types: Any) -> datum.Schema:
    """A record with a field of each type, named a, b, c ..."""
    fields = [{"name": name, "type": type_} for name, type_ in zip("abcdefgh", types, strict=False)]
    return parse(json.dumps({"type": "record", "name": "R", "fields": fields}))


def logical(base: str, kind: str, **more: object) -> dict[str, object]:
    return {"type": base, "logicalType": kind, **more}


def length(count: int) -> bytes:
    """A number as Avro writes it."""
    return referee.write('"long"', count)


def refused(value: bytes, by: datum.Schema = TEXT) -> str:
    with pytest.raises(Undecodable) as caught:
        by.read(value, 0)
    assert caught.value.reason is Reason.CORRUPT_AVRO
    return caught.value.detail


# -- bytes -------------------------------------------------------------------------------------


def test_a_datum_begins_where_it_is_said_to_and_ends_with_the_value() -> None:
    assert TEXT.read(b"xx" + TEXT.write({"a": "b"}), 2) == {"a": "b"}
    assert refused(TEXT.write({"a": "b"}) + b"!") == "1 bytes are left over after the datum"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="the length does not end"),
        pytest.param(b"\xff" * 1000, id="nor this"),
        pytest.param(b"\x06ab", id="a byte is missing"),
        pytest.param(b"\x01", id="a negative length"),
        pytest.param(length(-(2**63)), id="the most negative length"),
        pytest.param(b"\x02\xff", id="not UTF-8"),
        pytest.param(b"\x06\xed\xa0\x80", id="half a surrogate pair"),
        pytest.param(b"\x04\xc0\x80", id="NUL in two bytes"),
    ],
)
def test_corrupt_data_are_refused(value: bytes) -> None:
    refused(value)


@pytest.mark.parametrize("count", [2**31, 2**40, 2**63 - 1])
def test_a_declared_length_allocates_nothing(count: int) -> None:
    tracemalloc.start()
    try:
        refused(length(count) + b"short")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_counts_that_lie_end_with_the_bytes() -> None:
    many = schema({"type": "array", "items": "string"}, {"type": "map", "values": "null"})
    assert "EOFError" in refused(length(2**60) + b"\x00", many)
    assert "EOFError" in refused(b"\x00" + length(2**60) + b"\x02k", many)


def test_a_refusal_does_not_quote_the_data() -> None:
    uuid = schema(logical("string", "uuid"))
    assert refused(b"\x0csecret", uuid) == "ValueError at byte 7"


# -- schemas -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            [{"name": "next", "type": ["null", "R"]}], id="a list of 10,000 would overrun the C stack"
        ),
        pytest.param([{"name": "next", "type": "R"}], id="no datum is finite"),
        pytest.param([{"name": "tree", "type": {"type": "array", "items": "R"}}], id="by way of an array"),
        pytest.param([{"name": "tree", "type": {"type": "map", "values": ["null", "R"]}}], id="or of a map"),
    ],
)
def test_records_that_contain_themselves_are_refused(fields: list[dict[str, Any]]) -> None:
    with pytest.raises(UnsupportedSchema, match="R contains itself"):
        parse(json.dumps({"type": "record", "name": "R", "fields": fields}))


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "null"},
        {"type": "fixed", "name": "F", "size": 0},
        {"type": "record", "name": "E", "fields": []},
        {"type": "record", "name": "E", "fields": [{"name": "n", "type": "null"}]},
    ],
)
def test_arrays_of_items_without_bytes_are_refused(items: object) -> None:
    with pytest.raises(UnsupportedSchema, match="take no bytes"):
        schema({"type": "array", "items": items})


@pytest.mark.parametrize("items", ["boolean", ["null"], {"type": "enum", "name": "E", "symbols": ["A"]}])
def test_arrays_of_small_items_are_not(items: object) -> None:
    assert schema({"type": "array", "items": items})


def test_a_type_may_be_used_twice() -> None:
    named = {"type": "record", "name": "N", "fields": [{"name": "a", "type": "int"}]}
    twice = schema(named, "N", {"type": "array", "items": {"type": "array", "items": "N"}})
    value = {"a": {"a": 1}, "b": {"a": 2}, "c": [[{"a": 3}]]}
    assert twice.read(twice.write(value), 0) == value


def test_nesting_has_an_end() -> None:
    nested: Any = "int"
    for _ in range(70):
        nested = {"type": "array", "items": nested}
    with pytest.raises(UnsupportedSchema, match="nested deeper than 64"):
        schema(nested)


@pytest.mark.parametrize(
    "text", ["", "{", "7", "null", '"unknown"', "{}", '{"type": "record"}', "[" * 100_000]
)
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedSchema):
        parse(text)


def test_a_schema_may_be_spread_over_several() -> None:
    inner = '{"type": "record", "name": "x.Inner", "fields": [{"name": "i", "type": "int"}]}'
    middle = '{"type": "record", "name": "x.Middle", "fields": [{"name": "m", "type": "x.Inner"}]}'
    outer = '{"type": "record", "name": "x.Outer", "fields": [{"name": "o", "type": "Middle"}]}'
    whole = parse(outer, [inner, middle])
    assert whole.read(b"\x0e", 0) == {"o": {"m": {"i": 7}}}
    # Several kinds of event on one topic: a union of references.
    assert parse('["x.Inner", "x.Middle"]', [inner, middle]).read(b"\x02\x0e", 0) == {"m": {"i": 7}}


def test_data_by_an_earlier_version_are_read_in_the_shape_of_the_current_one() -> None:
    fields = [{"name": "a", "type": "string"}, {"name": "b", "type": ["null", "int"], "default": None}]
    later = parse(json.dumps({"type": "record", "name": "R", "fields": fields}))
    known = {TEXT.fingerprint: TEXT, later.fingerprint: later}
    assert datum.read_single_object(TEXT.write_single_object({"a": "x"}), known, later) == {
        "a": "x",
        "b": None,
    }


# -- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "given", "expected"),
    [
        (
            logical("long", "timestamp-millis"),
            datetime(2026, 11, 21, 22, 44, 47, tzinfo=UTC),
            "2026-11-21T22:44:47Z",
        ),
        (
            logical("long", "timestamp-micros"),
            datetime(2026, 11, 21, 22, 44, 47, 12_000, tzinfo=UTC),
            "2026-11-21T22:44:47.012000Z",
        ),
        (logical("int", "date"), date(2026, 11, 21), "2026-11-21"),
        (logical("bytes", "decimal", precision=9, scale=2), Decimal("-12.30"), "-12.30"),
        (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("bytes", b"\x00\xff", "AP8="),
        ("double", math.nan, None),
        ("double", -math.inf, None),
        ("double", 0.1, 0.1),
        ("boolean", True, True),
        ("long", -(2**63), -(2**63)),
        ({"type": "map", "values": {"type": "array", "items": "bytes"}}, {"k": [b"a"]}, {"k": ["YQ=="]}),
    ],
)
def test_values_become_what_json_has_for_them(type_: Any, given: Any, expected: Any) -> None:
    one = schema(type_)
    assert plain(one.read(one.write({"a": given}), 0)["a"]) == expected


def test_decimals_keep_every_digit_and_have_an_end() -> None:
    # fastavro alone rounds to the precision, and takes two minutes for a megabyte.
    decimal = schema(logical("bytes", "decimal", precision=3, scale=2))
    longest = b"\x7f" + b"\xff" * 127
    value = plain(decimal.read(length(128) + longest, 0)["a"])
    assert value.replace(".", "") == str(2**1023 - 1)
    began = time.monotonic()
    refused(length(1_000_000) + b"\x7f" * 1_000_000, decimal)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("kind", ["timestamp-millis", "timestamp-micros", "local-timestamp-millis"])
def test_moments_beyond_the_calendar_are_refused(kind: str) -> None:
    refused(length(2**62), schema(logical("long", kind)))


EVERYTHING = schema(
    logical("long", "timestamp-millis"),
    logical("int", "date"),
    logical("string", "uuid"),
    logical("bytes", "decimal", precision=9, scale=2),
    {"type": "array", "items": ["null", "double", {"type": "map", "values": "bytes"}]},
    {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    {"type": "fixed", "name": "F", "size": 3},
    logical("int", "time-millis"),
)


VALID = EVERYTHING.write(
    {
        "a": datetime(2026, 11, 21, tzinfo=UTC),
        "b": date(2026, 11, 21),
        "c": UUID(int=7),
        "d": Decimal("1.25"),
        "e": [None, 1.5, {"k": b"v", "l": b""}],
        "f": "B",
        "g": b"abc",
        "h": clock(12, 30),
    }
)


@given(st.lists(st.tuples(st.integers(0, len(VALID)), st.binary(max_size=3)), max_size=4))
def test_any_bytes_are_data_or_refused(changes: list[tuple[int, bytes]]) -> None:
    # Given: valid data with some bytes changed, cut or inserted, which come far into every reader
    value = bytearray(VALID)
    for place, change in changes:
        value[place : place + 1] = change

    try:
        found = plain(EVERYTHING.read(bytes(value), 0))
    except Undecodable:
        return
    json.dumps(found, allow_nan=False)
