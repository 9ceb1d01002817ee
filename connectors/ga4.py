"""Google Analytics 4: events of web streams, through the Measurement Protocol.

- Google answers 2xx to whatever it receives, and drops in silence what breaks its rules. So what breaks
  the rules on names is Unmappable here: it ends in the dlq with a reason, rather than nowhere.
- What Google merely ignores is left to it: parameters beyond 25, values beyond 100 characters (500 in
  Analytics 360). An event older than 72 hours is kept, with a time of 72 hours ago.
- There is no idempotency key: an event sent twice may be counted twice.
- One client a request, so one event a request.
- Realtime reports want the parameters session_id and engagement_time_msec: send them as properties.

Rules: docs below, and .../protocol/ga4/sending-events#limitations.
"""

import re
from hashlib import sha256
from typing import Any

from connectors.base import Answers, Connector, Event, Outcome, Sends, Setting, Unmappable
from connectors.event import anonymous_id, event_name, time_us, user_id
from connectors.mapping import reader

RESERVED_EVENTS = frozenset({
    "ad_activeview", "ad_click", "ad_exposure", "ad_query", "ad_reward", "adunit_exposure", "app_clear_data",
    "app_exception", "app_install", "app_remove", "app_store_refund", "app_update", "app_upgrade",
    "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open", "error",
    "firebase_campaign", "firebase_in_app_message_action", "firebase_in_app_message_dismiss",
    "firebase_in_app_message_impression", "first_open", "first_visit", "notification_dismiss",
    "notification_foreground", "notification_open", "notification_receive", "notification_send", "os_update",
    "session_start", "user_engagement",
    "ad_impression", "in_app_purchase", "screen_view",  # allowed for app streams only
})  # fmt: skip

#: Of events (https://support.google.com/analytics/answer/13316687) and of parameters.
RESERVED_PREFIXES = ("firebase_", "ga_", "google_")

#: Where a producer that knows the browser's own client id says it.
TOLD = reader("$.integrations.GA4.clientId")

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def name(event: Event) -> str:
    """From "Order Paid" to "Order_Paid". A name too long or reserved is not bent into another."""
    text = re.sub(r"[^A-Za-z0-9_]+", "_", event_name(event).strip())
    if not NAME.fullmatch(text):
        raise Unmappable("$.event: GA4 takes up to 40 of A-Z a-z 0-9 _, and a letter first")
    if text in RESERVED_EVENTS or text.startswith(RESERVED_PREFIXES):
        raise Unmappable("$.event is reserved by GA4")
    return text


def params(event: Event) -> dict[str, Any]:
    """The properties that GA4 has a place for: plain values under allowed names, and `items`."""
    return {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in (event.get("properties") or {}).items()
        if _is_allowed(key) and isinstance(value, list if key == "items" else (str, int, float))
    }


def client_id(event: Event) -> str:
    """Two positive numbers and a full stop between: the browser's own if we are told it.

    Otherwise made from the anonymous or the user id, the same for the same id: good for counting users,
    but it joins nothing to what the browser itself reported.
    """
    told = TOLD(event)
    known = told if isinstance(told, str) and told else anonymous_id(event) or user_id(event)
    if known is None:
        raise Unmappable("$.integrations.GA4.clientId or $.anonymousId or $.userId is missing")
    if re.fullmatch(r"[0-9]+\.[0-9]+", known):
        return known
    digest = sha256(known.encode(errors="surrogatepass")).digest()
    return f"{int.from_bytes(digest[:4]) + 1}.{int.from_bytes(digest[4:8]) + 1}"


def _is_allowed(key: str) -> bool:
    return bool(NAME.fullmatch(key)) and not key.startswith(RESERVED_PREFIXES)


def _hit(named: Any, parameters: Any) -> dict[str, Any]:
    """The body that carries one event."""
    return {
        "client_id": client_id,
        "user_id": user_id,
        "timestamp_micros": time_us,
        "events": [{"name": named, "params": parameters}],
    }


CONNECTOR = Connector(
    name="ga4",
    docs="https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference",
    url="https://www.google-analytics.com/mp/collect",  # EU: region1.google-analytics.com
    settings=(
        Setting(
            name="measurement_id", check=lambda text: re.fullmatch(r"G-[A-Z0-9]+", text) is not None,
            allowed="G- and then letters and digits", description="The web data stream.",
            example="G-ABC123DEF4",
        ),
        Setting(
            name="api_secret", secret=True, allowed="a Measurement Protocol API secret of that stream",
            description="Admin > Data streams > the stream > Measurement Protocol API secrets.",
            example="an-api-secret-of-22-ch",
        ),
    ),
    query={"measurement_id": "$.measurement_id", "api_secret": "$.api_secret"},
    max_item_bytes=129_999,  # "smaller than 130kB"
    accepts={
        "track": _hit(name, params),
        "page": _hit("page_view", {
            "page_location": "$.properties.url",
            "page_referrer": "$.properties.referrer",
            "page_title": "$.properties.title",
            "session_id": "$.properties.session_id",
            "engagement_time_msec": "$.properties.engagement_time_msec",
        }),
    },
    vectors=[
        Sends(
            {
                "type": "track", "event": "Order Paid", "userId": "u1", "timestamp": "2026-08-21T10:00:00Z",
                "integrations": {"GA4": {"clientId": "444.555"}},
                "properties": {"value": 9.5, "gift": True, "ga_x": 1, "cart": {}, "items": [{"sku": "i"}]},
            },
            {
                "client_id": "444.555", "user_id": "u1", "timestamp_micros": 1787306400000000,
                "events": [{
                    "name": "Order_Paid",
                    "params": {"value": 9.5, "gift": "true", "items": [{"sku": "i"}]},
                }],
            },
        ),
        Sends(
            {"type": "page", "anonymousId": "d1", "properties": {"url": "https://example.com"}},
            {
                "client_id": "2337498016.355241927",
                "events": [{
                    "name": "page_view",
                    "params": {"page_location": "https://example.com"},
                }],
            },
        ),
        Answers(204, b"", Outcome.DELIVERED),
        Answers(503, b"", Outcome.RETRY),
    ],
)  # fmt: skip
