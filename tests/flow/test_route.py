"""From the inbound topic to each destination's own: all of it, or none of it is said to be done."""

import asyncio
import json

import pytest

from connectors import load
from streams import bulk, dispatch, headers
from streams.clock import steady
from streams.codec import Decoder
from streams.config.sections import Limits, Network
from streams.destinations import Audience, Destination
from streams.flight import Batch, Partition
from streams.records import Lane, Routed
from streams.route import MANY, Router
from streams.standing import Standing
from tests.flow.post import NAMES, Post, batch, finished, record, until


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def router(post: Post) -> Router:
    return Router(Decoder(), Audience([destination("crm"), destination("ads", "track")]), post.letters, NAMES)


def destination(name: str, *types: str) -> Destination:
    bound = load("webhook").bind({"url": "https://example.com/", "secret": "whsec_" + "YWJj" * 8})
    every = types or ("track", "identify")
    return Destination(name, bound, Limits(), Network(), NAMES.deliver(name), frozenset(every))


def event(kind: str, message_id: str) -> bytes:
    return json.dumps({"type": kind, "messageId": message_id}).encode()


TRACK = record("events", 4, event("track", "t1"), [("trace", b"1"), ("distributary.attempt", b"9")])
IDENTIFY = record("events", 5, event("identify", "i1"))
RUBBISH = record("events", 9, b"\xff", [("trace", b"2")])


async def test_an_event_goes_to_each_destination_that_should_have_it_as_it_came(
    router: Router, post: Post
) -> None:
    await router.route([TRACK, IDENTIFY])

    [to_crm, also_to_crm], [to_ads] = post.on(NAMES.deliver("crm")), post.on(NAMES.deliver("ads"))
    assert to_crm.value == to_ads.value == TRACK.value
    assert also_to_crm.value == IDENTIFY.value
    tracking = headers.read(to_ads.headers)
    assert (tracking.destination, tracking.event_id, str(tracking.source)) == ("ads", "t1", "events/0/4")


async def test_a_producers_own_headers_travel_along_and_what_pretends_to_be_ours_does_not(
    router: Router, post: Post
) -> None:
    await router.route([TRACK])

    [to_crm] = post.on(NAMES.deliver("crm"))
    assert to_crm.headers[0] == ("trace", b"1")
    assert headers.read(to_crm.headers).attempt == 0


async def test_what_is_no_event_goes_to_the_dlq_whole_and_the_others_go_on(
    router: Router, post: Post
) -> None:
    await router.route([TRACK, RUBBISH])

    [dead] = post.on(NAMES.dlq)
    assert dead.value == RUBBISH.value
    assert headers.read_death(dead.headers).reason == "undecodable"
    assert str(headers.read_source(dead.headers)) == "events/0/9"
    assert ("trace", b"2") in dead.headers
    assert len(post.on(NAMES.deliver("crm"))) == 1


async def test_the_note_of_what_went_where_is_written_last_and_leaves_out_no_offset(
    router: Router, post: Post
) -> None:
    await router.route([TRACK, IDENTIFY, RUBBISH])

    [note] = post.on(NAMES.routed)
    assert post.sent[-1] == note
    routed = Routed.decode(note.value)
    assert {lane: routed.offsets(lane) for lane in routed.lanes} == {
        Lane("crm"): [4, 5],
        Lane("ads"): [4],
        Lane("ads", "types"): [5],
        Lane("", "unsupported-format"): [9],
    }


async def test_a_batch_is_done_only_when_everything_that_follows_from_it_is_written(
    router: Router, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.01)
    post.trouble = [RuntimeError("somebody's mistake")]
    one = batch(TRACK, IDENTIFY)

    await router.begin(one)
    await asyncio.sleep(0)
    assert (one.in_flight, finished(one)) == (2, [])

    while one.in_flight:
        await asyncio.sleep(0.01)
    assert finished(one) == [4, 5]
    assert len(post.on(NAMES.routed)) == 1


async def test_a_batch_that_is_given_back_before_it_is_written_is_not_done(
    router: Router, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.01)
    post.trouble = [RuntimeError("again and again")] * 100
    one = batch(TRACK)

    await router.begin(one)
    one.halted = True
    await asyncio.sleep(0.05)

    assert finished(one) == []
    assert not router.tasks._tasks


async def test_a_replay_is_for_one_destination_and_brings_no_second_dlq_record(
    router: Router, post: Post
) -> None:
    await router.route([TRACK, RUBBISH], replay="r1", only="ads")

    assert [one.topic for one in post.sent] == [NAMES.deliver("ads"), NAMES.routed]
    assert headers.read(post.sent[0].headers).replay == "r1"


@pytest.fixture
def late() -> Post:
    """Of what nobody waits for."""
    return Post()


@pytest.fixture
def gathering(post: Post, late: Post, monkeypatch: pytest.MonkeyPatch) -> Router:
    """One for which `ads` takes nothing."""
    monkeypatch.setattr(bulk, "LATE_S", 0.2)
    both = Audience([destination("crm"), destination("ads", "track")])
    return Router(Decoder(), both, post.letters, NAMES, late.letters, unwell=lambda: {NAMES.deliver("ads")})


async def test_what_is_for_a_destination_that_takes_nothing_holds_up_no_other_but_the_offset(
    gathering: Router, post: Post, late: Post
) -> None:
    one, other = batch(TRACK), batch(record("events", 6, event("track", "t2")))

    await gathering.begin(one)
    await gathering.begin(other)
    await until(lambda: len(post.on(NAMES.deliver("crm"))) == 2)
    assert not late.sent
    assert finished(one) == finished(other) == []

    await until(lambda: one.complete and other.complete)
    written = [headers.read(record.headers).event_id for record in late.on(NAMES.deliver("ads"))]
    assert written == ["t1", "t2"]
    assert not post.on(NAMES.deliver("ads"))
    assert [record.topic for record in late.sent[-2:]] == [NAMES.routed] * 2


async def test_many_records_are_a_bulk_of_their_own_and_do_not_wait_for_others(post: Post) -> None:
    unwell: set[str] = {NAMES.deliver("crm")}
    late, one = Post(), Audience([destination("crm")])
    router = Router(Decoder(), one, post.letters, NAMES, late.letters, unwell=lambda: unwell)
    many = batch(*(record("events", offset, event("track", f"t{offset}")) for offset in range(MANY)))

    await router._route(many)

    assert len(post.on(NAMES.deliver("crm"))) == MANY
    assert many.complete


async def test_what_was_held_too_long_to_be_ours_is_left_to_its_new_owner(
    gathering: Router, post: Post, late: Post
) -> None:
    standing = Standing(10.0)
    standing.heard(steady())
    one = Batch(Partition("events", 0), [TRACK], standing)
    routing = asyncio.ensure_future(gathering._route(one))
    await until(lambda: post.on(NAMES.deliver("crm")))

    standing.expelled()
    with pytest.raises(dispatch.GivenBack):
        await routing

    assert not late.sent
    assert finished(one) == []


async def test_one_that_is_well_again_has_its_events_at_once(post: Post) -> None:
    unwell: set[str] = {NAMES.deliver("crm")}
    late, one = Post(), Audience([destination("crm")])
    router = Router(Decoder(), one, post.letters, NAMES, late.letters, unwell=lambda: unwell)
    unwell.clear()

    await router.route([TRACK])

    assert len(post.on(NAMES.deliver("crm"))) == 1
    assert [record.topic for record in late.sent] == [NAMES.routed]


async def test_what_is_to_wait_does_not_when_a_drain_has_begun_or_somebody_is_well_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    said = [{NAMES.deliver("ads")}, frozenset[str]()]
    both = Audience([destination("crm"), destination("ads", "track")])
    router = Router(Decoder(), both, post.letters, NAMES, unwell=lambda: said.pop(0))
    one = batch(TRACK)

    async with asyncio.timeout(5):
        await router._route(one)

    assert one.complete
    assert [record.topic for record in post.sent] == [
        NAMES.deliver("crm"),
        NAMES.deliver("ads"),
        NAMES.routed,
    ]
