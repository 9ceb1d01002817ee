"""What several destinations get alike goes by the express, packed once; what can't, as single records."""

import asyncio
import json
from io import BytesIO

import pytest
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.record.default_records import DefaultRecordBatch

from connectors import load
from streams import bulk, headers
from streams.codec import Decoder
from streams.config.sections import Limits, Network
from streams.copies import Alike, shares
from streams.destinations import Audience, Destination
from streams.express import Express
from streams.flight import Record
from streams.packing import LARGEST, Content
from streams.produce import Refusal
from streams.records import Lane, Routed
from streams.route import Router
from tests.flow.cluster import Cluster
from tests.flow.post import NAMES, Post, batch, finished, until

TO_ALL, TO_TRACKS = NAMES.deliver("crm"), NAMES.deliver("ads")
NO_RIGHT = 29


def destination(name: str, *types: str) -> Destination:
    bound = load("webhook").bind({"url": "https://example.com/", "secret": "whsec_" + "YWJj" * 8})
    return Destination(name, bound, Limits(), Network(), NAMES.deliver(name), frozenset(types))


AUDIENCE = Audience([destination("crm", "track", "identify"), destination("ads", "track")])


def event(offset: int, kind: str = "track", key: bytes | None = b"u1") -> Record:
    value = json.dumps({"type": kind, "messageId": f"e{offset}"}).encode()
    return Record("events", 0, offset, 0, key, value, [("trace", b"%d" % offset)])


@pytest.fixture
def post() -> Post:
    return Post()


async def by(cluster: Cluster) -> Express:
    way = Express(cluster)
    way.open()
    await until(lambda: way._open)
    return way


def router(post: Post, way: Express) -> Router:
    return Router(Decoder(), AUDIENCE, post.letters, NAMES, express=way)


async def test_what_is_written_by_the_express_is_what_is_read_at_the_destination(post: Post) -> None:
    cluster = Cluster()
    await router(post, await by(cluster)).route([event(4)])

    [(_, body)] = cluster.requests
    asked = dict(ProduceRequest_v7.decode(BytesIO(body)).topics)
    [(_, data)] = asked[TO_ALL]
    [written] = DefaultRecordBatch(data)
    assert (written.key, written.value) == (b"u1", event(4).value)
    assert written.headers[0] == ("trace", b"4")
    tracking = headers.read(list(written.headers), "crm")
    assert (tracking.destination, tracking.event_id, str(tracking.source)) == ("crm", "e4", "events/0/4")
    assert [record.topic for record in post.sent] == [NAMES.routed]


async def test_every_topic_has_what_it_should_in_the_order_it_came(post: Post) -> None:
    cluster = Cluster()
    kinds = ["track", "identify", "track", "identify", "track"]
    await router(post, await by(cluster)).route([event(n, kind) for n, kind in enumerate(kinds)])

    ids = {
        place: [json.loads(value or b"")["messageId"] for value in log] for place, log in cluster.logs.items()
    }
    assert ids == {f"{TO_ALL}/0": ["e0", "e1", "e2", "e3", "e4"], f"{TO_TRACKS}/0": ["e0", "e2", "e4"]}
    assert len(cluster.requests) == 1


async def test_topics_that_get_the_same_get_the_same_bytes(post: Post) -> None:
    cluster = Cluster()
    await router(post, await by(cluster)).route([event(1), event(2)])

    [(_, body)] = cluster.requests
    asked = dict(ProduceRequest_v7.decode(BytesIO(body)).topics)
    assert asked[TO_ALL] == asked[TO_TRACKS]


async def test_what_the_express_gives_back_is_written_as_it_would_have_been(post: Post) -> None:
    cluster = Cluster()
    cluster.codes[f"{TO_ALL}/0"].append(NO_RIGHT)
    await router(post, await by(cluster)).route([event(1), event(2)])

    assert list(cluster.logs) == [f"{TO_TRACKS}/0"]
    to_crm = post.on(TO_ALL)
    assert [(one.key, one.value) for one in to_crm] == [(one.key, one.value) for one in (event(1), event(2))]
    assert headers.read(to_crm[1].headers) == headers.read(to_crm[1].headers, "ads")  # it says whose it is
    assert headers.read(to_crm[1].headers).event_id == "e2"
    assert to_crm[1].headers[0] == ("trace", b"2")
    assert not post.on(TO_TRACKS)


async def test_what_is_large_goes_by_itself(post: Post) -> None:
    cluster = Cluster()
    large = event(2, key=bytes(LARGEST))
    await router(post, await by(cluster)).route([event(1), large, event(3)])

    assert cluster.logs == {f"{topic}/0": [event(1).value, event(3).value] for topic in (TO_ALL, TO_TRACKS)}
    assert [(one.topic, one.key) for one in post.sent[:-1]] == [(TO_ALL, large.key), (TO_TRACKS, large.key)]


async def test_what_can_not_be_packed_goes_by_itself(post: Post) -> None:
    cluster = Cluster()
    odd = event(2)
    odd.headers = [("\ud800", b"1")]  # no UTF-8: no client of ours reads such a name
    await router(post, await by(cluster)).route([odd])

    assert not cluster.requests
    assert [one.topic for one in post.sent[:-1]] == [TO_ALL, TO_TRACKS]


async def test_the_note_and_the_end_come_when_the_last_copy_is_written(post: Post) -> None:
    cluster = Cluster()
    cluster.leaders[f"{TO_TRACKS}/0"], cluster.open_nodes[2] = 2, asyncio.Event()
    routing, one = router(post, await by(cluster)), batch(event(1))
    await routing.begin(one)
    await until(lambda: cluster.logs[f"{TO_ALL}/0"])
    await asyncio.sleep(0.01)
    assert not post.sent
    assert finished(one) == []

    cluster.open_nodes[2].set()
    await until(lambda: one.complete)
    [note] = post.sent
    assert set(Routed.decode(note.value).lanes) == {Lane("crm"), Lane("ads")}


async def test_a_topic_that_nobody_knows_yet_is_written_to_as_before(post: Post) -> None:
    cluster = Cluster(count=0)
    await router(post, await by(cluster)).route([event(1)])
    assert not cluster.requests
    assert len(post.on(TO_ALL)) == len(post.on(TO_TRACKS)) == 1


async def test_topics_of_different_sizes_have_each_key_in_one_place(post: Post) -> None:
    cluster = Cluster()
    cluster.partitions = lambda topic: 3 if topic == TO_ALL else 2  # type: ignore[method-assign]
    keys = [b"u%d" % number for number in range(20)]
    records = [event(number, key=keys[number % 20]) for number in range(40)]
    await router(post, await by(cluster)).route(records)

    for topic, places in ((TO_ALL, 3), (TO_TRACKS, 2)):
        logs = [cluster.logs[f"{topic}/{partition}"] for partition in range(places)]
        assert sum(map(len, logs)) == 40
        there = [{key for value, key in pairs(records) if value in log} for log in logs]
        assert all(there)
        assert sum(map(len, there)) == 20  # no key in two of them


def pairs(records: list[Record]) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.value, record.key) for record in records]


async def test_while_the_express_is_closed_nothing_waits_for_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    cluster.no_identity.append(Refusal("error 31"))
    routing = router(post, await by(cluster))
    await routing.route([event(1)])
    await routing.route([event(2)])
    assert not cluster.requests
    assert [json.loads(one.value or b"")["messageId"] for one in post.on(TO_ALL)] == ["e1", "e2"]


def alike(topics: list[str], *offsets: int) -> Alike:
    some = Alike([], topics)
    some.offsets = list(offsets)
    some.contents = [Content(b"%d" % offset, None, []) for offset in offsets]
    return some


def test_topics_that_get_the_same_share_it_and_only_those() -> None:
    some = [alike(["a", "b", "c"], 1, 4), alike(["a", "b"], 2, 3), alike(["d"], 5), alike([], 6)]
    found = [(topics, [content.value for content in contents]) for topics, contents in shares(some)]
    assert found == [(["a", "b"], [b"1", b"2", b"3", b"4"]), (["c"], [b"1", b"4"]), (["d"], [b"5"])]


async def test_what_is_for_those_that_take_nothing_is_one_batch_of_several_events(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 0.2)
    cluster = Cluster()
    way = await by(cluster)
    routes = Router(Decoder(), AUDIENCE, post.letters, NAMES, express=way, unwell=lambda: {TO_TRACKS})
    batches = [batch(event(offset)) for offset in range(3)]
    for one in batches:
        await routes.begin(one)
    await until(lambda: len(cluster.logs[f"{TO_ALL}/0"]) == 3)
    assert not cluster.logs[f"{TO_TRACKS}/0"]
    assert not any(map(finished, batches))

    before = len(cluster.requests)
    await until(lambda: all(one.complete for one in batches))
    assert len(cluster.logs[f"{TO_TRACKS}/0"]) == 3
    assert len(cluster.requests) == before + 1
