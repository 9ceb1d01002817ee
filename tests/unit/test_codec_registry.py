"""Events in the Confluent wire format, with a registry that is a real HTTP server."""

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.codec import Decoder, Reason, RegistryUnavailable, encode_avro, encode_confluent
from streams.decoding.registry import Registry
from tests.unit import referee
from tests.unit.registries import FakeRegistry, serving
from tests.unit.samples import EVENT, SAMPLE, refused


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving() as server:
        yield server


@pytest.fixture
def decoder(fake: FakeRegistry) -> Iterator[Decoder]:
    with closing(Registry(fake.url, timeout_s=2)) as registry:
        yield Decoder(registry)


def framed(schema_id: int, rest: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + rest


def test_an_event_by_our_registered_schema_comes_back_as_it_was(fake: FakeRegistry, decoder: Decoder) -> None:
    fake.put(7, EVENT)
    for _ in range(3):
        assert decoder.decode(encode_confluent(SAMPLE, 7)) == SAMPLE
    assert fake.asked == ["GET /schemas/ids/7"]


THEIRS = json.dumps(
    {
        "type": "record",
        "name": "com.example.ShopEvent",
        "fields": [
            {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["TRACK", "PAGE"]}},
            {"name": "messageId", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "userId", "type": ["null", "long"], "default": None},
            {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "properties", "type": {"type": "map", "values": ["null", "string", "double", "bytes"]}},
            {"name": "traits", "type": ["null", "string"], "default": None},
            {
                "name": "context",
                "type": {"type": "record", "name": "Context", "fields": [{"name": "ip", "type": "string"}]},
            },
            {"name": "tenant", "type": "string"},
        ],
    }
)


def test_an_event_by_a_schema_of_the_producers_own_is_brought_into_shape(
    fake: FakeRegistry, decoder: Decoder
) -> None:
    fake.put(8, THEIRS)
    theirs = {
        "type": "TRACK",
        "messageId": "00000000-0000-0000-0000-000000000007",
        "userId": 42,
        "timestamp": datetime(2026, 11, 21, 22, 44, 47, tzinfo=UTC),
        "properties": {"total": 1.5, "nan": float("nan"), "raw": b"\xff", "none": None},
        "traits": '{"plan": "pro"}',
        "context": {"ip": "203.0.113.7"},
        "tenant": "t",
    }
    value = framed(8, referee.write(THEIRS, theirs | {"messageId": "00000000-0000-0000-0000-000000000007"}))

    assert decoder.decode(value) == theirs | {
        "type": "track",
        "userId": "42",
        "timestamp": "2026-11-21T22:44:47Z",
        "properties": {"total": 1.5, "nan": None, "raw": "/w==", "none": None},
        "traits": {"plan": "pro"},
    }


def test_events_by_a_registered_json_schema_are_json(fake: FakeRegistry, decoder: Decoder) -> None:
    fake.put(9, "{}", schemaType="JSON")
    assert decoder.decode(framed(9, b'{"type":"page"}')) == {"type": "page"}
    assert refused(framed(9, b'["page"]'), decoder)[0] is Reason.NOT_JSON


@pytest.mark.parametrize(
    ("schema", "more", "reason", "detail"),
    [
        ("", {"schemaType": "PROTOBUF"}, Reason.UNSUPPORTED_SCHEMA, "schema 7: data of the kind PROTOBUF"),
        ("{", {}, Reason.UNSUPPORTED_SCHEMA, "schema 7: it is no Avro schema"),
        ('{"type": "array", "items": "null"}', {}, Reason.UNSUPPORTED_SCHEMA, "schema 7: it has an array"),
        ('"string"', {}, Reason.INVALID_EVENT, "not a record"),
    ],
)
def test_data_that_we_do_not_read_are_refused(
    fake: FakeRegistry, decoder: Decoder, schema: str, more: Any, reason: Reason, detail: str
) -> None:
    fake.put(7, schema, **more)
    for _ in range(2):
        found = refused(framed(7, b"\0"), decoder)
        assert found[0] is reason
        assert detail in found[1]
    assert len(fake.asked) == 1


def test_an_unknown_id_is_the_events_trouble_and_an_unreachable_registry_is_ours(
    fake: FakeRegistry, decoder: Decoder
) -> None:
    assert refused(framed(7, b"x"), decoder)[0] is Reason.UNKNOWN_SCHEMA
    fake.say("GET /schemas/ids/8", {}, 500)
    with pytest.raises(RegistryUnavailable):
        decoder.decode(framed(8, b"x"))
    # And when it is back
    fake.put(8, EVENT)
    assert decoder.decode(encode_confluent(SAMPLE, 8)) == SAMPLE


async def test_schemas_can_be_fetched_before_they_are_needed(fake: FakeRegistry, decoder: Decoder) -> None:
    fake.put(7, EVENT)
    values = [None, b"", b"\0", b"{}", encode_avro(SAMPLE), encode_confluent(SAMPLE, 7), framed(8, b"")]

    await decoder.prepare(values)
    asked = sorted(fake.asked)
    assert asked == ["GET /schemas/ids/7", "GET /schemas/ids/8"]

    # Then: nothing needs to be asked any more
    await decoder.prepare(values)
    assert decoder.decode(values[5]) == SAMPLE
    assert refused(values[6], decoder)[0] is Reason.UNKNOWN_SCHEMA
    assert sorted(fake.asked) == asked


async def test_preparing_says_so_when_the_registry_is_unavailable(
    fake: FakeRegistry, decoder: Decoder
) -> None:
    fake.say("GET /schemas/ids/7", {}, 500)
    with pytest.raises(RegistryUnavailable):
        await decoder.prepare([framed(7, b"x")])
    await Decoder().prepare([framed(7, b"x")])
