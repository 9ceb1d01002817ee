"""What fails is tried again: tier by tier, never early, until it gets through or its budget is spent."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from streams.demo import ports
from streams.headers import Source
from tests.broker import Broker
from tests.integration.harness import Destinations, Step, World, assert_books_balance, header, track, world

#: How late an attempt may be on a busy machine with two cores, seconds.
LATE_S = 5.0
REASONS = {"error": "properties.total must be a number", "padding": "ü" * 5000}
#: event -> what the destination answers to each attempt
PLAYED: Mapping[str, Sequence[Step]] = {
    "tiers": [503, 500, 429, 408, 200],
    "patient": [{"status": 429, "retry_after": 2}, 200],
    "short": [503, 200],
    "spent": [500, 500, 500, 500, 502],
    "too long": [{"status": 503, "retry_after": 3600}],
    "rejected": [{"status": 400, "body": REASONS}],
    "reset": ["reset", 400],
    "closed": ["close", 400],
    "hanging": ["hang", 400],
    **{str(status): [status] for status in (300, 302, 401, 403, 404, 410, 413, 418, 422, 501)},
}


@pytest.fixture(scope="module")
def w(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """After all of it; nobody ever listened where "down" is."""
    refusing = ports.refusing()
    nowhere = f"http://{ports.LOOPBACK}:{refusing.getsockname()[1]}/"
    destinations: Destinations = {
        "crm": {"when": {"types": ["track"]}, "limits": {"timeout_s": 1}},
        "down": {"when": {"types": ["alias"]}, "settings": {"url": nowhere}},
    }
    with refusing, world(broker, None, tmp_path_factory.mktemp("retries"), destinations) as made:
        made.start_worker()
        sources = made.send(*(track(event, script) for event, script in PLAYED.items()), key="one partition")
        made.expect(sources[list(PLAYED).index("too long")], "crm", "dead exhausted")
        [refused] = made.send({"type": "alias", "messageId": "refused", "userId": "u", "previousId": "p"})
        made.expect(refused, "down", "dead exhausted")
        assert_books_balance(made)
        yield made


def source_of(w: World, event: str) -> Source:
    [source] = [source for source, sent in w.sent.items() if sent["messageId"] == event]
    return source


def codes(w: World, event: str) -> list[tuple[str | None, bool]]:
    return [(attempt.code, attempt.ambiguous) for attempt in w.attempts(event)]


def test_every_tier_is_waited_in_as_planned_and_never_left_early(w: World) -> None:
    attempts, arrivals = w.attempts("tiers"), w.there.arrivals("tiers")
    assert [attempt.tier for attempt in attempts] == ["300ms", "300ms", "600ms", "1.2s", None]
    assert [attempt.attempt for attempt in attempts] == [1, 2, 3, 4, 5]
    for failed, again in zip(attempts, arrivals[1:], strict=False):
        due_s = (failed.not_before_ms or 0) / 1000
        assert due_s <= again.at < due_s + LATE_S
    for (before, after), tier_s in zip(pairwise(arrivals), (0.3, 0.3, 0.6, 1.2), strict=True):
        assert after.at - before.at >= tier_s


def test_every_attempt_has_the_same_idempotency_key(w: World) -> None:
    assert {arrival.headers["webhook-id"] for arrival in w.there.arrivals("tiers")} == {"tiers_crm"}


def test_a_retry_after_longer_than_a_tier_passes_through_tiers_again(w: World) -> None:
    first, second = w.there.arrivals("patient")
    assert 2.0 <= second.at - first.at < 2 + LATE_S
    delayed = [record for topic in w.names.all_delay for record in w.records(topic)]
    passes = [record for record in delayed if header(record, "event-id") == "patient"]
    assert len(passes) >= 2
    assert {header(record, "not-before") for record in passes} == {
        str(w.attempts("patient")[0].not_before_ms)
    }


def test_one_that_waits_long_holds_up_nobody(w: World) -> None:
    assert w.there.arrivals("short")[-1].at < w.there.arrivals("patient")[-1].at


def test_when_the_plan_is_spent_the_event_is_dead_with_its_last_error(w: World) -> None:
    [record] = w.dead(source_of(w, "spent"))
    assert header(record, "reason") == "exhausted"
    assert header(record, "error") == header(record, "last-error") == "502"
    assert header(record, "attempt") == "5" == str(len(w.there.arrivals("spent")))
    assert header(record, "detail") == '{"said": 502}'


def test_a_retry_after_beyond_the_budget_ends_it_at_once(w: World) -> None:
    assert len(w.there.arrivals("too long")) == 1


def test_a_rejected_event_is_dead_at_once_with_the_head_of_the_answer(w: World) -> None:
    [record], [attempt] = w.dead(source_of(w, "rejected")), w.attempts("rejected")
    detail = header(record, "detail") or ""
    assert detail.startswith('{"error": "properties.total must be a number"')
    assert 4000 < len(detail.encode()) <= 4096
    assert attempt.body_head == detail[:512]
    assert (attempt.outcome, attempt.reason, attempt.code) == ("dead", "rejected", "400")


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refused_key_is_dead_as_credentials(w: World, status: str) -> None:
    [record] = w.dead(source_of(w, status))
    assert (header(record, "reason"), header(record, "error")) == ("credentials", status)


@pytest.mark.parametrize("status", ["300", "302", "404", "410", "413", "418", "422", "501"])
def test_what_will_never_be_taken_is_not_tried_again(w: World, status: str) -> None:
    assert codes(w, status) == [(status, False)]


@pytest.mark.parametrize(("event", "code"), [
    ("reset", "ECONNRESET"), ("closed", "ECONNRESET"), ("hanging", "ESOCKETTIMEDOUT"),
])  # fmt: skip
def test_an_answer_lost_after_the_request_is_marked_ambiguous(w: World, event: str, code: str) -> None:
    assert codes(w, event) == [(code, True), ("400", False)]
    [record] = w.dead(source_of(w, event))
    assert header(record, "maybe-delivered") == "1"


def test_a_refused_connection_is_tried_again_and_not_ambiguous(w: World) -> None:
    assert codes(w, "refused") == [("ECONNREFUSED", False)] * 5
    [record] = w.dead(source_of(w, "refused"))
    assert header(record, "reason") == "exhausted"


def test_an_event_whose_budget_runs_out_is_dead_before_its_plan_is_spent(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    retry = {"tiers": ["300ms", "600ms", "1s"], "plan": ["300ms", "600ms", "1s"], "budget": "2s", "jitter": 0}
    with world(broker, prefix, tmp_path, {"crm": {}}, retry=retry) as w:
        w.start_worker()
        w.there.delay_s = 0.6
        [source] = w.send(track("late", [503]))
        assert_books_balance(w)
        [record], attempts = w.dead(source), w.attempts("late")
        assert header(record, "reason") == "exhausted"
        assert header(record, "attempt") == str(len(attempts))
        assert 1 < len(attempts) < 4
        deadline_ms = int(header(record, "first-attempt") or 0) + 2000
        assert header(record, "deadline") == str(deadline_ms)
        assert all((attempt.not_before_ms or 0) <= deadline_ms for attempt in attempts)
