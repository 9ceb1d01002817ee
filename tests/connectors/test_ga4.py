"""GA4: Google never says no, so we do."""

from typing import Any

import orjson
import pytest

import connectors
from connectors.base import Unmappable

SETTINGS = {"measurement_id": "G-1", "api_secret": "a secret/&"}


def hit(**fields: Any) -> dict[str, Any]:
    bound = connectors.load("ga4").bind(SETTINGS)
    event = {"type": "track", "messageId": "m1", "event": "Paid", "userId": "u1", **fields}
    sent: dict[str, Any] = orjson.loads(bound.item(event))
    return sent


def test_the_secret_travels_in_the_query_and_is_quoted() -> None:
    request = connectors.load("ga4").bind(SETTINGS).request([b"{}"], "k", 0.0)
    assert (
        request.url
        == "https://www.google-analytics.com/mp/collect?measurement_id=G-1&api_secret=a+secret%2F%26"
    )
    assert "secret%2F" not in repr(request)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("Paid", "Paid"),
        (" Order  Paid! ", "Order_Paid_"),
        ("order.paid/v2", "order_paid_v2"),
        ("a" * 40, "a" * 40),
    ],
)
def test_a_name_is_spelled_as_ga4_wants_it(event: str, name: str) -> None:
    assert hit(event=event)["events"][0]["name"] == name


@pytest.mark.parametrize(
    "event", ["a" * 41, "1st", "_x", "注文", "!", "", " ", None, 5, [], "error", "screen_view", "ga_x"]
)
def test_a_name_that_ga4_would_drop_is_unmappable(event: Any) -> None:
    with pytest.raises(Unmappable, match=r"\$\.event"):
        hit(event=event)


@pytest.mark.parametrize(
    "key", ["_x", "1x", "a b", "a" * 41, "", "firebase_conversion", "ga_x", "google_x", "gtag.x", "é"]
)
def test_a_parameter_that_ga4_has_no_name_for_is_left_out(key: str) -> None:
    assert hit(properties={key: 1, "ok": 2})["events"][0]["params"] == {"ok": 2}


def test_a_parameter_is_a_plain_value() -> None:
    given = {
        "text": "a",
        "whole": 1,
        "half": 0.5,
        "yes": True,
        "null": None,
        "list": [1],
        "object": {},
        "items": "x",
    }
    assert hit(properties=given)["events"][0]["params"] == {
        "text": "a",
        "whole": 1,
        "half": 0.5,
        "yes": "true",
    }


def test_the_browsers_own_client_id_is_used_where_it_is_told() -> None:
    assert hit(integrations={"GA4": {"clientId": "12.34"}}, anonymousId="d1")["client_id"] == "12.34"
    assert hit(anonymousId="56.78")["client_id"] == "56.78"
    assert hit(integrations={"GA4": {"clientId": 12.34}}, anonymousId="56.78")["client_id"] == "56.78"


def test_a_made_client_id_is_two_positive_numbers_and_the_same_for_the_same_id() -> None:
    made = hit(anonymousId="d1")["client_id"]
    assert made == hit(anonymousId="d1", integrations={"All": True, "GA4": True})["client_id"]
    assert made != hit(anonymousId="d2")["client_id"]
    assert all(int(number) > 0 for number in made.split("."))
    assert made.count(".") == 1


def test_an_event_of_nobody_is_unmappable() -> None:
    with pytest.raises(Unmappable, match="clientId"):
        hit(userId=None)


def test_time_is_in_microseconds_and_may_be_missing() -> None:
    assert hit(timestamp="2026-08-21T10:00:00.000001Z")["timestamp_micros"] == 1787306400000001
    assert "timestamp_micros" not in hit()


def test_a_body_of_130_kb_is_unmappable() -> None:
    with pytest.raises(Unmappable, match="at most 129999"):
        hit(properties={"text": "x" * 130_000})
