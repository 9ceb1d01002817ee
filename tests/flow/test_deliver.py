"""From `deliver.<destination>` over HTTP: in order, so many at a time, each settled before it is done."""

import asyncio
import json

import pytest

from connectors import load
from connectors.answers import Answer
from connectors.base import Bound, Request
from streams import attempts, dispatch, headers, health, settling
from streams.codec import Decoder
from streams.deliver import Delivery, Lane
from streams.flight import Batch, Record
from streams.health import Health
from streams.masking import Masking
from streams.settle import Settler
from streams.slots import Slots
from tests.flow.post import NAMES, POLICY, Post, batch, finished, record, tracked, until

TOPIC = NAMES.deliver("crm")
EVENT = b'{"type":"track","event":"Paid"}'


class Destination:
    """Answers with what it is told, 200 unless it is told anything; while it is closed, with nothing."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        await self.open.wait()
        return self.answers.pop(0) if self.answers else Answer(status=200, sent=True)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def there() -> Destination:
    return Destination()


@pytest.fixture
def delivery(post: Post, there: Destination, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    monkeypatch.setattr(dispatch, "SHORTEST_BACKOFF_S", 0.01)
    bound = load("webhook").bind({"url": "https://example.com/", "secret": "whsec_" + "YWJj" * 8})
    return delivering(bound, post, there)


def delivering(bound: Bound, post: Post, there: Destination) -> Delivery:
    slots = Slots(3)
    lane = Lane(bound, there, slots, Masking([]), Health(slots), "crm")
    return Delivery({TOPIC: lane}, Decoder(), Settler(post.letters, NAMES, "w1"), POLICY)


def events(count: int) -> list[Record]:
    return [tracked(TOPIC, offset, EVENT) for offset in range(count)]


async def ended(of: Batch) -> None:
    await until(lambda: of.complete)


def outcomes(post: Post) -> list[tuple[str, str]]:
    found = attempts.readable(written.value for written in post.on(NAMES.attempts))
    return [(attempt.event_id, attempt.outcome) for attempt in found]


async def test_no_more_requests_are_under_way_than_the_destination_has_slots(
    delivery: Delivery, there: Destination
) -> None:
    there.open.clear()
    one = batch(*events(10))
    beginning = asyncio.ensure_future(delivery.begin(one))

    await until(lambda: len(there.requests) == 3)
    assert one.begun == 3
    assert not beginning.done()

    there.open.set()
    await beginning
    await ended(one)
    assert len(there.requests) == 10


async def test_nothing_is_begun_once_the_partition_is_given_back_and_what_was_begun_is_finished(
    delivery: Delivery, there: Destination
) -> None:
    there.open.clear()
    one = batch(*events(10))
    beginning = asyncio.ensure_future(delivery.begin(one))
    await until(lambda: len(there.requests) == 3)

    one.halted = True
    there.open.set()
    await beginning
    await until(lambda: not one.in_flight)

    assert finished(one) == [0, 1, 2]
    assert len(there.requests) == 3


async def test_an_event_is_done_only_when_its_outcome_is_written_and_is_not_sent_twice_for_it(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    post.trouble = [RuntimeError("no broker"), RuntimeError("still none")]
    one = batch(*events(1))

    await delivery.begin(one)
    await ended(one)

    assert len(there.requests) == 1
    assert outcomes(post) == [("e0", "delivered")]


async def test_an_event_whose_settling_is_cancelled_is_not_done_and_its_slot_is_free(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    post.trouble = [RuntimeError("no broker")] * 1000
    one = batch(*events(1))
    await delivery.begin(one)
    await until(lambda: len(post.trouble) < 1000)

    await delivery.tasks.cancel()

    assert finished(one) == []
    assert delivery.lanes[TOPIC].slots.free == 3


async def test_one_that_can_not_be_written_does_not_hold_up_the_slots_of_others_for_ever(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    post.trouble = [RuntimeError("no broker")] * 3
    one = batch(*events(9))

    await delivery.begin(one)
    await ended(one)

    assert len(there.requests) == 9


async def test_an_event_that_no_request_can_be_made_of_is_dead_before_any(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    one = batch(tracked(TOPIC, 0, b'{"type":"track"'), tracked(TOPIC, 1, EVENT))

    await delivery.begin(one)
    await ended(one)

    assert sorted(outcomes(post)) == [("e0", "dead"), ("e1", "delivered")]
    assert headers.read_death(post.on(NAMES.dlq)[0].headers).reason == "unmappable"
    assert len(there.requests) == 1


async def test_a_record_that_somebody_put_there_by_hand_is_dead_and_stops_nobody(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    one = batch(record(TOPIC, 0, b"?"), tracked(TOPIC, 1, EVENT))

    await delivery.begin(one)
    await ended(one)

    assert headers.read_death(post.on(NAMES.dlq)[0].headers).reason == "malformed"
    assert outcomes(post) == [("e1", "delivered")]


async def test_a_failure_waits_in_its_tier_and_counts_as_done_here(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    there.answers = [Answer(status=503, sent=True)]
    one = batch(*events(1))

    await delivery.begin(one)
    await ended(one)

    [waiting] = post.on(NAMES.delay("1s"))
    tracking = headers.read(waiting.headers)
    assert (tracking.attempt, tracking.last_error) == (1, "503")
    assert tracking.due_ms == tracking.not_before_ms


async def test_a_connector_that_raises_sends_nothing_and_loses_nothing(
    delivery: Delivery, there: Destination, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Request:
        raise ZeroDivisionError

    monkeypatch.setattr(delivery.lanes[TOPIC].bound, "_sign", fail)
    one = batch(*events(1))

    await delivery.begin(one)
    await ended(one)

    assert there.requests == []
    assert "ZeroDivisionError" in str(headers.read_death(post.on(NAMES.dlq)[0].headers).detail)


async def test_events_that_share_a_request_are_settled_each_by_its_own_outcome(
    post: Post, there: Destination
) -> None:
    settings = {"project_id": "1", "username": "u", "password": "secret-word"}
    delivery = delivering(load("mixpanel").bind(settings), post, there)
    body = json.dumps({"code": 400, "num_records_imported": 2, "failed_records": [{"index": 1}]}).encode()
    there.answers = [Answer(status=400, body=body, sent=True)]
    one = batch(*[tracked(TOPIC, offset, json.dumps(mixpanel(offset)).encode()) for offset in range(3)])

    await delivery.begin(one)
    await ended(one)

    assert len(there.requests) == 1
    assert sorted(outcomes(post)) == [("e0", "delivered"), ("e1", "dead"), ("e2", "delivered")]


def mixpanel(offset: int) -> dict[str, str]:
    time = "2026-11-21T22:44:47.123Z"
    return {"type": "track", "event": "Paid", "userId": "u", "messageId": f"e{offset}", "timestamp": time}


@pytest.fixture
def long_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination is unwell as soon as one attempt has failed, and its slots rest for 30 to 90 s."""
    monkeypatch.setattr(health, "UNWELL_S", -1.0)
    monkeypatch.setattr(health, "REST_S", 60.0)


@pytest.mark.usefixtures("long_since")
async def test_slots_rest_while_the_destination_takes_nothing_and_what_waits_for_them_is_not_begun(
    delivery: Delivery, there: Destination, post: Post
) -> None:
    there.answers = [Answer(status=503, sent=True)] * 3
    one = batch(*events(5))
    beginning = asyncio.ensure_future(delivery.begin(one))
    await until(lambda: finished(one) == [0, 1, 2])

    assert delivery.lanes[TOPIC].slots.free == 0
    assert one.begun == 3
    assert not beginning.done()

    delivery.lanes[TOPIC].health.took()
    await ended(one)
    assert sorted(outcomes(post))[-2:] == [("e3", "delivered"), ("e4", "delivered")]
    await until(lambda: delivery.lanes[TOPIC].slots.free == 3)


async def test_an_event_that_is_refused_now_and_then_does_not_make_its_neighbours_wait(
    delivery: Delivery, there: Destination, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is at the head of its window: what comes behind it waits until its outcome is written.
    monkeypatch.setattr(settling, "GATHER_LATE_S", 60.0)
    there.answers = [Answer(status=400, sent=True), Answer(status=503, sent=True)]
    one = batch(*events(3))

    await delivery.begin(one)
    await ended(one)

    assert sorted(outcome for _, outcome in outcomes(post)) == ["dead", "delivered", "retry"]


@pytest.mark.usefixtures("long_since")
async def test_an_answer_that_refuses_an_event_for_good_is_no_reason_to_rest(
    delivery: Delivery, there: Destination
) -> None:
    there.answers = [Answer(status=503, sent=True), Answer(status=400, sent=True)]
    lane = delivery.lanes[TOPIC]
    one = batch(*events(2))

    await delivery.begin(one)
    await ended(one)

    assert lane.health.since is None


@pytest.mark.usefixtures("long_since")
async def test_what_no_request_was_made_of_is_no_reason_to_rest(
    delivery: Delivery, there: Destination
) -> None:
    there.answers = [Answer(status=503, sent=True)]
    lane = delivery.lanes[TOPIC]
    lane.health.tried(0.0)
    lane.health.failed()
    one = batch(tracked(TOPIC, 0, b'{"type":"track"'), record(TOPIC, 1, b"?"))

    await delivery.begin(one)
    await ended(one)

    assert lane.slots.free == 3
