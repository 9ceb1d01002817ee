"""An event reaches every destination that should have it, as it was written, and no other."""

import base64
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from streams.headers import Header
from tests.broker import Broker
from tests.integration.harness import (
    PASSWORD,
    SECRET,
    Destinations,
    World,
    assert_books_balance,
    header,
    identify,
    track,
    wait_until,
    world,
)

TIMESTAMP = "2026-08-21T10:00:00Z"
MIXPANEL = {"project_id": "1", "username": "service-account", "password": "${PASSWORD}"}
OWN: list[Header] = [
    ("trace", b"1"),
    ("trace", b"\xff\x00"),
    ("empty", b""),
    ("null", None),
    ("", b"nameless"),
]
SPOOFED: list[Header] = [
    ("distributary.attempt", b"9"),
    ("distributary.deadline", b"1"),
    ("distributary.x", b"y"),
]


@pytest.fixture(scope="module")
def w(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    destinations: Destinations = {
        "crm": {},
        "ads": {"when": {"types": ["track", "page"]}},
        "mix": {"connector": "mixpanel", "settings": MIXPANEL},
    }
    with world(broker, None, tmp_path_factory.mktemp("delivery"), destinations) as made:
        made.start_worker()
        yield made


def paths(w: World, event: str) -> list[str]:
    return sorted(arrival.path for arrival in w.there.arrivals(event))


def test_an_event_reaches_all_its_destinations_and_only_those(w: World) -> None:
    w.send(*({"type": kind, "messageId": f"all-{kind}", "event": "E", "name": "N", "userId": "u",
              "groupId": "g", "previousId": "p", "timestamp": TIMESTAMP}
             for kind in ("track", "identify", "page", "screen", "group", "alias")))  # fmt: skip
    assert_books_balance(w)
    assert paths(w, "all-track") == ["ads", "crm", "mix"]
    assert paths(w, "all-identify") == ["crm"]
    assert paths(w, "all-page") == ["ads", "crm", "mix"]
    assert paths(w, "all-screen") == ["crm", "mix"]
    assert paths(w, "all-group") == paths(w, "all-alias") == ["crm"]


def test_an_events_own_integrations_choose_among_its_destinations(w: World) -> None:
    only, but, kind = w.send(
        track("only-crm", integrations={"All": False, "crm": True}),
        track("not-ads", integrations={"ads": False, "no-such": True}, timestamp=TIMESTAMP),
        track("not-mixpanel", integrations={"mixpanel": False, "ads": {"option": 1}}),
    )
    w.expect(only, "ads", "filtered integrations")
    w.expect(only, "mix", "filtered integrations")
    w.expect(but, "ads", "filtered integrations")
    w.expect(kind, "mix", "filtered integrations")
    assert_books_balance(w)
    assert paths(w, "only-crm") == ["crm"]


def test_bytes_key_and_own_headers_travel_untouched_and_spoofed_ones_are_dropped(w: World) -> None:
    value = b' \n{ "type":"identify",\t"messageId" : "raw", "traits":{"script":[503,400],"n":1.50e2} } '
    source = w.send_as_written(value, [*OWN, *SPOOFED], key=b"\x00\xffkey")
    assert_books_balance(w)
    for topic in (w.names.deliver("crm"), w.names.delay("300ms"), w.names.dlq):
        found = [record for record in w.records(topic) if header(record, "source") == str(source)]
        assert found, topic
        for record in found:
            assert (record.value, record.key) == (value, b"\x00\xffkey")
            assert [one for one in record.headers if not one[0].startswith("distributary.")] == OWN
            assert header(record, "attempt") in (None, "1", "2")
            assert header(record, "x") is None
    assert {arrival.body for arrival in w.there.arrivals("raw")} == {
        b'{"type":"identify","messageId":"raw","traits":{"script":[503,400],"n":150.0}}'
    }


def test_a_webhook_verifies_with_the_official_library(w: World) -> None:
    w.send(identify("signed", traits={"name": "Zoë ☕"}))
    [arrival] = wait_until("the webhook", lambda: w.there.arrivals("signed"))
    verified = Webhook(SECRET).verify(arrival.body, dict(arrival.headers))
    assert verified["traits"] == {"name": "Zoë ☕"}
    assert arrival.headers["webhook-id"] == "signed_crm"


def test_an_event_without_an_id_is_called_after_its_place(w: World) -> None:
    event = {"type": "identify", "traits": {"plan": "pro"}}
    [source] = w.send(event)
    event["messageId"] = str(source)  # what the destination is told
    assert_books_balance(w)
    assert paths(w, str(source)) == ["crm"]


def test_two_events_with_one_id_are_two_deliveries_with_one_idempotency_key(w: World) -> None:
    w.send(identify("twin"), identify("twin"))
    assert_books_balance(w)
    arrivals = w.there.arrivals("twin")
    assert len(arrivals) == 2
    assert {arrival.headers["webhook-id"] for arrival in arrivals} == {"twin_crm"}


def test_an_event_that_cannot_be_mapped_is_dead_before_any_request(w: World) -> None:
    [source] = w.send({"type": "screen", "messageId": "unmappable", "timestamp": "yesterday"})
    w.expect(source, "mix", "dead unmappable")
    assert_books_balance(w)
    [record] = w.dead(source)
    assert header(record, "detail") == "$.timestamp is not an ISO 8601 time"
    assert header(record, "attempt") is None
    assert paths(w, "unmappable") == ["crm"]


def test_a_batch_that_half_succeeds_is_split(w: World) -> None:
    scripts = {"b-0": [200], "b-1": [400], "b-2": [503, 200], "b-3": [200], "b-4": [400]}
    only = {"All": False, "mix": True}
    events = [track(name, script, integrations=only, timestamp=TIMESTAMP) for name, script in scripts.items()]
    for source in w.send(*events, key="together"):
        for name in ("crm", "ads"):
            w.expect(source, name, "filtered integrations")
    assert_books_balance(w)
    requests = {arrival.body for name in scripts for arrival in w.there.arrivals(name)}
    assert any(body.count(b'"$insert_id"') > 2 for body in requests)  # they did travel together
    credentials = base64.b64decode(w.there.arrivals("b-0")[0].headers["authorization"].split()[1])
    assert credentials == f"service-account:{PASSWORD}".encode()
