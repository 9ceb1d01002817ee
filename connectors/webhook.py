"""Webhook: the event as it is, POSTed as JSON, signed as Standard Webhooks says.

A receiver tells a repeated event by `webhook-id`, which is the same at every attempt, and verifies the
signature with any Standard Webhooks library. `410 Gone` and all other refusals mean what they mean in
`answers.py`. The receiver sets the limit on size: it answers 413.
"""

from connectors.auth import is_signing_secret
from connectors.base import Answers, Connector, Outcome, Sends, Setting, StandardWebhooks
from connectors.event import EVENT_TYPES
from connectors.settings import HTTP_URL, Shape, is_header, is_http_url

ANY_EVENT = {"messageId": "evt-1", "timestamp": "2026-08-21T10:00:00Z", "traits": {"plan": None}}

CONNECTOR = Connector(
    name="webhook",
    docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    settings=(
        Setting(
            name="url", check=is_http_url, allowed=HTTP_URL, example="https://example.com/hook",
            description="Where events are POSTed.",
        ),
        Setting(
            name="secret", secret=True, required=False, shape=Shape.TEXTS, check=is_signing_secret,
            allowed="whsec_ and then base64, of 24 to 64 random bytes",
            description="Signs every request. Give the new and the old one while the receiver changes over.",
            example=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
        ),
        Setting(
            name="headers", secret=True, required=False, shape=Shape.MAP, check=is_header,
            allowed="names and ASCII values of HTTP headers, but not of the connection or the signature",
            description="Sent with every request.",
            example={"authorization": "Bearer 5f2b7c1d9e"},
        ),
    ),
    auth=StandardWebhooks("secret"),
    headers="$.headers",
    accepts=dict.fromkeys(EVENT_TYPES, "$"),
    max_item_bytes=10_000_000,
    vectors=[
        *(Sends({"type": kind, **ANY_EVENT}, {"type": kind, **ANY_EVENT}) for kind in EVENT_TYPES),
        Answers(204, b"", Outcome.DELIVERED),
        Answers(401, b"", Outcome.CREDENTIALS),
        Answers(410, b"", Outcome.REJECTED),
        Answers(503, b"", Outcome.RETRY),
    ],
)  # fmt: skip
