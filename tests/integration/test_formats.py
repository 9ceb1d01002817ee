"""JSON, Avro without a registry and Avro with one say the same; what they can't be read by is waited for."""

import json
from collections.abc import Iterator

import pytest

import schemas
from streams import codec
from streams.decoding import datum
from streams.headers import Source
from tests.broker import Broker
from tests.integration.harness import Event, World, assert_books_balance, header, track, wait_until, world
from tests.unit import registries
from tests.unit.registries import FakeRegistry

OURS, THEIRS, STRANGE, LATE, GONE = 1, 2, 3, 4, 5
#: A schema of the producer's own: other fields, in another order.
OWN_SCHEMA = {
    "type": "record", "name": "Click", "fields": [
        {"name": "properties", "type": {"type": "map", "values": "double"}},
        {"name": "messageId", "type": "string"},
        {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["TRACK"]}},
    ],
}  # fmt: skip
EVENT_SCHEMA = schemas.current("event")
RICH: Event = {
    "userId": "u-1",
    "timestamp": "2026-11-21T22:44:47.123+01:00",
    "context": {"ip": "203.0.113.7"},
}


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with registries.serving() as fake:
        fake.put(OURS, EVENT_SCHEMA)
        fake.put(THEIRS, json.dumps(OWN_SCHEMA))
        fake.put(STRANGE, 'syntax = "proto3";', schemaType="PROTOBUF")
        yield fake


@pytest.fixture(scope="module")
def w(broker: Broker, registry: FakeRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    kafka = {"schema_registry_url": registry.url}
    with world(broker, None, tmp_path_factory.mktemp("formats"), {"crm": {}}, kafka=kafka) as made:
        made.start_worker()
        yield made


def wire(event: Event, schema_id: int) -> bytes:
    return codec.encode_confluent(event, schema_id)


def received(w: World, event: str) -> Event:
    [arrival] = w.there.arrivals(event)
    found: Event = json.loads(arrival.body)
    return found


def test_an_event_is_the_same_in_every_format(w: World) -> None:
    w.send(track("json", **RICH), encode=codec.encode_json)
    w.send(track("avro", **RICH), encode=codec.encode_avro)
    w.send(track("wire", **RICH), encode=lambda event: wire(event, OURS))
    assert_books_balance(w)
    for name in ("json", "avro", "wire"):
        assert received(w, name) == track(name, **RICH)


def test_a_schema_of_the_producers_own_is_read_through_the_registry(w: World) -> None:
    schema = datum.parse(json.dumps(OWN_SCHEMA))
    click = {"type": "TRACK", "messageId": "click", "properties": {"x": 1.5}}
    value = b"\x00" + THEIRS.to_bytes(4, "big") + schema.write(click)
    w.send({**click, "type": "track"}, encode=lambda _: value)
    assert_books_balance(w)
    assert received(w, "click") == {**click, "type": "track"}


UNREADABLE = {
    "too short": (wire(track("cut"), OURS)[:-3], "corrupt-avro"),
    "too long": (wire(track("more"), OURS) + b"\x00", "corrupt-avro"),
    "nobody's": (wire(track("unknown"), GONE), "unknown-schema"),
    "no Avro": (wire(track("proto"), STRANGE), "unsupported-schema"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_bytes_that_do_not_fit_their_schema_are_dead(w: World, name: str) -> None:
    value, error = UNREADABLE[name]
    source = w.send_bytes(value, f"undecodable {error}")
    assert_books_balance(w)
    [record] = w.dead(source)
    assert record.value == value
    assert header(record, "detail")


def test_a_registry_that_is_down_holds_its_events_and_no_others(w: World, registry: FakeRegistry) -> None:
    registry.say(f"GET /schemas/ids/{LATE}", {"error_code": 50001, "message": "down"}, status=503)
    [held] = w.send(track("held"), encode=lambda event: wire(event, LATE), partition=0)
    asked = f"GET /schemas/ids/{LATE}"
    wait_until("the worker to ask twice", lambda: registry.asked.count(asked) > 1)
    w.send(track("other"), partition=1)
    wait_until("the other partition to go on", lambda: w.there.arrivals("other"))
    assert not w.there.arrivals("held")
    wait_until("all but one to be routed", lambda: w.status().inbound.queued == 1)
    assert w.dead(held) == []
    registry.put(LATE, EVENT_SCHEMA)
    assert_books_balance(w)
    assert received(w, "held") == track("held")


@pytest.mark.parametrize("option", [(), ("--avro",)])
def test_produce_writes_the_events_of_a_file(w: World, option: tuple[str, ...]) -> None:
    events = [track(f"file-{number}{option}", **RICH) for number in range(20)]
    lines = "\n".join(json.dumps(event) for event in events) + "\n\n"
    before = {Source(r.topic, r.partition, r.offset) for r in w.records(w.inbound)}
    ran = w.cli("produce", "-", *option, "--json", stdin=lines)
    assert (ran.status, ran.json) == (0, {"produced": 20})
    written = [r for r in w.records(w.inbound) if Source(r.topic, r.partition, r.offset) not in before]
    assert {(r.value or b"")[:1] for r in written} == ({b"\xc3"} if option else {b"{"})
    for record in written:
        w.note(Source(record.topic, record.partition, record.offset), codec.Decoder().decode(record.value))
    assert_books_balance(w)
    assert [received(w, event["messageId"]) for event in events] == events


def test_produce_names_the_line_that_is_no_event(w: World) -> None:
    ran = w.cli("produce", "-", stdin='\n{"type": "purchase"}\n')
    assert ran.status == 1
    assert ran.err == (
        "error: -:2: invalid-event: type is none of track, identify, page, screen, group, alias\n"
    )
