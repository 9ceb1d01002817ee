"""Every outcome is written, once, with all that follows from it; also what the broker refuses."""

from typing import Any

import pytest

from connectors.answers import Answer
from streams import attempts, headers
from streams.attempts import Attempt
from streams.headers import Source, Tracking
from streams.retry import Dead, Decision, Delivered, Reason, Retry
from streams.settle import Settler, Stray, Verdict
from tests.flow.post import NAMES, POLICY, Post, record, tracked

TRACKING = Tracking("crm", "e7", Source("events", 0, 7), attempt=1, first_attempt_ms=1000, deadline_ms=61_000)
WAITING = TRACKING._replace(tier="1s", due_ms=2000, not_before_ms=2000, last_error="503")
RETRY = Retry(POLICY.tiers[0], 2000, 2000, WAITING)


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def settler(post: Post) -> Settler:
    return Settler(post.letters, NAMES, "w1")


def verdict(decision: Decision, **answer: Any) -> Verdict:
    given = Answer(sent=True, **answer) if answer else None
    return Verdict(tracked(NAMES.deliver("crm"), 7, b'{"a":1}'), decision, given, 1000, "what it said")


def attempt(post: Post) -> Attempt:
    [written] = post.on(NAMES.attempts)
    [found] = attempts.decode(written.value)
    return found


async def test_a_delivery_is_an_attempt_and_nothing_else(settler: Settler, post: Post) -> None:
    await settler.settle([verdict(Delivered(TRACKING), status=200)])

    assert (attempt(post).outcome, attempt(post).code, attempt(post).event_id) == ("delivered", "200", "e7")
    assert len(post.sent) == 1


async def test_a_retry_waits_in_its_tier_with_its_bytes_untouched(settler: Settler, post: Post) -> None:
    await settler.settle([verdict(RETRY, status=503)])

    [waiting] = post.on(NAMES.delay("1s"))
    assert waiting.value == b'{"a":1}'
    assert headers.read(waiting.headers) == WAITING
    assert (attempt(post).outcome, attempt(post).tier, attempt(post).not_before_ms) == ("retry", "1s", 2000)


async def test_the_dead_go_to_the_dlq_with_the_reason_and_what_was_said(settler: Settler, post: Post) -> None:
    await settler.settle([verdict(Dead(Reason.REJECTED, "400", TRACKING), status=400)])

    [dead] = post.on(NAMES.dlq)
    death = headers.read_death(dead.headers)
    assert (death.reason, death.error, death.detail) == ("rejected", "400", "what it said")
    assert headers.read(dead.headers) == TRACKING
    assert (attempt(post).outcome, attempt(post).reason) == ("dead", "rejected")


@pytest.mark.parametrize(
    "ends",
    [
        [verdict(Delivered(TRACKING), status=200)],
        [verdict(RETRY, status=503)],
        [verdict(Dead(Reason.REJECTED, "400", TRACKING), status=400)],
        [Stray(record(NAMES.deliver("crm"), 3, b"?"), "distributary.event-id: missing")],
        [verdict(Delivered(TRACKING), status=200), verdict(RETRY, status=503)],
    ],
    ids=["delivered", "retry", "dead", "stray", "both"],
)
async def test_where_outcomes_go_is_known_beforehand(
    settler: Settler, post: Post, ends: list[Verdict | Stray]
) -> None:
    await settler.settle(ends)

    assert settler.topics(ends) == {sent.topic for sent in post.sent} - {NAMES.attempts}


async def test_a_record_that_is_none_of_ours_goes_to_the_dlq_with_its_place(
    settler: Settler, post: Post
) -> None:
    await settler.settle([Stray(record(NAMES.deliver("crm"), 3, b"?"), "distributary.event-id: missing")])

    [dead] = post.sent
    assert (dead.topic, dead.value) == (NAMES.dlq, b"?")
    assert headers.read_death(dead.headers).reason == "malformed"
    assert str(headers.read_source(dead.headers)) == f"{NAMES.deliver('crm')}/0/3"


async def test_a_retry_too_large_for_its_tier_is_dead_not_lost(settler: Settler, post: Post) -> None:
    post.refuses = lambda outgoing: outgoing.topic == NAMES.delay("1s")

    await settler.settle([verdict(RETRY, status=503)])

    [dead] = post.on(NAMES.dlq)
    assert headers.read_death(dead.headers).reason == "too-large"
    assert dead.value == b'{"a":1}'
    assert headers.read(dead.headers) == WAITING._replace(due_ms=None, tier=None)


async def test_one_too_large_for_the_dlq_too_leaves_its_bytes_behind_and_says_where_they_are(
    settler: Settler, post: Post
) -> None:
    post.refuses = lambda outgoing: outgoing.value == b'{"a":1}'

    await settler.settle([verdict(RETRY, status=503)])

    [dead] = post.on(NAMES.dlq)
    assert dead.value is None
    assert str(headers.read_source(dead.headers)) == "events/0/7"
    assert headers.read_death(dead.headers).reason == "too-large"


async def test_what_can_not_be_written_now_is_not_said_to_be_settled(settler: Settler, post: Post) -> None:
    post.trouble = [RuntimeError("no broker")]

    with pytest.raises(RuntimeError, match="no broker"):
        await settler.settle([verdict(RETRY, status=503)])


async def test_nothing_to_settle_writes_nothing(settler: Settler, post: Post) -> None:
    await settler.settle([])

    assert post.sent == []
