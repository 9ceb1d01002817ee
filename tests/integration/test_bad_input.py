"""Whatever producers write: an event is delivered, anything else is in the dlq, and the worker goes on."""

import json
import random
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams import codec
from streams.headers import Source
from tests.broker import Broker
from tests.integration.harness import World, assert_books_balance, header, track, world

#: The world, and where each thing is on its inbound topic.
Sent = tuple[World, dict[str, Source]]


def fields(**more: Any) -> bytes:
    return json.dumps({"type": "track", **more}, ensure_ascii=False).encode()


def deep(levels: int) -> bytes:
    """An event nested in so many levels, itself included."""
    nested = levels - 2
    return b'{"type":"track","messageId":"deep","properties":{"x":' + b"[" * nested + b"]" * nested + b"}}"


#: What is no event -> the word in the header `distributary.error`.
NO_EVENTS: Mapping[str, tuple[bytes | None, str]] = {
    "a tombstone": (None, "empty"),
    "an empty value": (b"", "empty"),
    "a text": (b"hello", "unsupported-format"),
    "random bytes": (random.Random(1).randbytes(5000), "unsupported-format"),
    "UTF-16": ('{"type":"track"}'.encode("utf-16"), "unsupported-format"),
    "an array": (b'[{"type":"track"}]', "unsupported-format"),
    "half an object": (b'{"type":"track"', "not-json"),
    "not a number": (b'{"type":"track","properties":{"n":NaN}}', "not-json"),
    "half a surrogate pair": (b'{"type":"track","messageId":"\\ud800"}', "not-json"),
    "a raw surrogate": (b'{"type":"track","event":"\xed\xa0\x80"}', "not-json"),
    "a nesting bomb": (b'{"type":"track","properties":' + b"[" * 300_000 + b"]" * 300_000, "too-deep"),
    "129 levels": (deep(129), "too-deep"),
    "no type": (b"{}", "invalid-event"),
    "an unknown type": (b'{"type":"purchase"}', "invalid-event"),
    "properties that are a text": (b'{"type":"track","properties":"no"}', "invalid-event"),
    "an id that is a list": (b'{"type":"track","userId":[1]}', "invalid-event"),
    "an endless id": (json.dumps({"type": "track", "messageId": "m" * 513}).encode(), "invalid-event"),
    "truncated Avro": (codec.encode_avro(track("cut"))[:-3], "corrupt-avro"),
    "Avro by an unknown schema": (b"\xc3\x0112345678datum", "unknown-schema"),
    "a schema id without a registry": (b"\x00\x00\x00\x00\x07datum", "unknown-schema"),
    "half a schema id": (b"\x00\x00", "corrupt-avro"),
}

#: An event for whoever only routes it.
INFINITE = b'{"type":"track","messageId":"infinite","properties":{"n":1e400}}'

#: Strange, but events.
EVENTS: Mapping[str, tuple[bytes, dict[str, Any]]] = {
    "a null key": (fields(messageId="null-key"), {"key": None}),
    "a key of bytes": (fields(messageId="key"), {"key": b"\xff\x00" * 500}),
    "hundreds of headers": (fields(messageId="headers"), {"own": [(f"h{n}", b"v" * 50) for n in range(500)]}),
    "null headers": (fields(messageId="nulls"), {"own": [("null", None), ("", None)]}),
    "a header of 100 kB": (fields(messageId="header"), {"own": [("big", b"x" * 100_000)]}),
    "900 KiB": (fields(messageId="900k", properties={"x": "y" * 900 * 1024}), {}),
    "all that the inbound topic takes": (fields(messageId="1m", properties={"x": "y" * 1_048_400}), {}),
    "a time before Kafka": (fields(messageId="1970"), {"timestamp": 1}),
    "control characters": (fields(messageId="a\0\r\nx: y\x7f", event="\0"), {}),
    "emoji": (fields(messageId="👩‍👩‍👧" * 100, event="\U0010ffff"), {}),
    "text that runs backwards": (fields(messageId="\u202eabc", userId="\u200b"), {}),
    "an id like a header": (fields(messageId="x\r\nhost: evil.example"), {}),
    "an id with full stops": (fields(messageId="1.2.3_crm"), {}),
    "a double meaning": (b'{"type":"page","messageId":"twice","type":"track"}', {}),
    "128 levels": (deep(128), {}),
    "numbers beyond 64 bits": (fields(messageId="big", properties={"n": 10**300}), {}),
    "hostile names": (fields(messageId="__proto__", __class__={"": 1}, integrations={"": 1, "All": 2}), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """Everything above, with a good event after each, and what came of it."""
    with world(broker, None, tmp_path_factory.mktemp("bad"), {"crm": {}}) as w:
        w.start_worker()
        found = {}
        for name, (bad, error) in NO_EVENTS.items():
            found[name] = w.send_bytes(bad, f"undecodable {error}", own=[("trace", b"1")], key=b"k")
            w.send(track(f"after {name}"), key=b"k")
        [found["infinite"]] = w.produce(w.inbound, [INFINITE])
        w.sources.append(found["infinite"])
        w.expect(found["infinite"], "crm", "dead unmappable")
        for name, (value, place) in EVENTS.items():
            found[name] = w.send_as_written(value, **place)
            w.send(track(f"after {name}"))
        assert_books_balance(w)
        yield w, found


@pytest.mark.parametrize("name", NO_EVENTS)
def test_what_is_no_event_is_in_the_dlq_whole_with_its_reason(sources: Sent, name: str) -> None:
    w, found = sources
    value, error = NO_EVENTS[name]
    [record] = w.dead(found[name])
    assert record.value == value
    assert record.key == b"k"
    assert ("trace", b"1") in record.headers
    assert header(record, "reason") == "undecodable"
    assert header(record, "error") == error
    assert header(record, "detail")


def test_a_number_that_no_double_holds_is_refused_where_the_event_is_read_for_a_destination(
    sources: Sent,
) -> None:
    w, found = sources
    [record] = w.dead(found["infinite"])
    assert record.value == INFINITE
    assert (header(record, "reason"), header(record, "destination")) == ("unmappable", "crm")
    assert "infinity" in (header(record, "detail") or "")
    assert not w.there.arrivals("infinite")


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_an_event_is_delivered_however_strange(sources: Sent, name: str) -> None:
    w, _ = sources
    value, _ = EVENTS[name]
    [arrival] = w.there.arrivals(json.loads(value)["messageId"])
    assert arrival.taken
    assert json.loads(arrival.body, parse_int=float) == json.loads(value, parse_int=float)
    key = arrival.headers["webhook-id"]
    assert key.isascii()
    assert key.isprintable()
    assert "." not in key


def test_the_worker_has_nothing_to_complain_about(sources: Sent) -> None:
    w, _ = sources
    assert w.workers[0].alive
    assert "ERROR" not in w.workers[0].text()
    assert "Traceback" not in w.workers[0].text()


def limit(w: World, topic: str, size: int) -> None:
    """Make a topic refuse larger records."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for altered in w.admin.incremental_alter_configs([resource]).values():
        altered.result(10)


def noise(name: str, size: int, script: list[Any]) -> bytes:
    """An event of so many bytes that compression can't shrink below its topic's limit."""
    empty = codec.encode_json(track(name, script, context={"noise": ""}))
    text = random.Random(name).choices(string.ascii_letters + string.digits, k=size - len(empty))
    return codec.encode_json(track(name, script, context={"noise": "".join(text)}))


def test_what_its_next_topic_refuses_is_dead_as_too_large_until_the_topic_takes_it(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, {"crm": {}, "small": {}}, kafka={"max_record_bytes": 100_000}) as w:
        limit(w, w.names.deliver("small"), 30_000)
        limit(w, w.names.delay("300ms"), 30_000)
        values = {
            "middle": noise("middle", 50_000, [200]),  # too large for deliver.small
            "again": noise("again", 50_000, [503, 200]),  # for deliver.small, and for delay.300ms
            "full": noise("full", 100_000, [200]),  # for deliver.crm, and for the dlq
        }
        found = {}
        for name, value in values.items():
            w.send(*(track(f"beside-{name}-{number}") for number in range(50)))
            found[name] = w.send_as_written(value)
            w.expect(found[name], "small", "dead too-large")
        w.expect(found["again"], "crm", "dead too-large")
        w.expect(found["full"], "crm", "dead too-large")
        beyond = w.send_bytes(noise("beyond", 150_000, [200]), "undecodable too-large")
        w.start_worker()
        assert_books_balance(w)
        for name in ("middle", "again"):
            [record] = w.dead(found[name], "small")
            assert record.value == values[name]
            assert header(record, "error") == "MSG_SIZE_TOO_LARGE"
            assert header(record, "detail") == f"refused by {w.names.deliver('small')}"
        assert header(w.dead(found["again"], "crm")[0], "attempt") == "1"
        assert {record.value for record in w.dead(found["full"]) + w.dead(beyond)} == {None}

        limit(w, w.names.deliver("small"), 100_000)
        limit(w, w.names.delay("300ms"), 100_000)
        ran = w.cli("dlq", "redrive", "--reason", "too-large", "--json")
        assert (ran.json["redriven"], ran.json["without_bytes"]) == (3, 2)
        for name, destination in (("middle", "small"), ("again", "small"), ("again", "crm")):
            w.expect(found[name], destination, "delivered")
        assert_books_balance(w)
