"""Ledgerly: purchases and people, up to a hundred in a request."""

from connectors.base import Answers, Batch, Bearer, Connector, Event, Outcome, Sends, Setting, first, required


def country(event: Event) -> str | None:
    """Ledgerly wants it in capitals."""
    code = (event.get("context") or {}).get("country")
    return code.upper() if isinstance(code, str) else None


CONNECTOR = Connector(
    name="ledgerly",
    docs="https://docs.ledgerly.example/api/entries",
    url="https://api.ledgerly.example/v2/entries",
    settings=[
        Setting(name="api_key", secret=True, allowed="a live key", example="lk_live_4f9a1c77"),
        Setting(name="book", required=False, default="main", description="Which book.", example="eu"),
    ],
    auth=Bearer("api_key"),
    query={"book": "$.book"},
    batch=Batch(max_events=100, max_bytes=500_000, wrap=lambda items: {"entries": items}),
    max_item_bytes=100_000,
    accepts={
        "track": {
            "kind": "purchase",
            "what": required("$.event"),
            "who": first("$.userId", "$.anonymousId", "nobody"),
            "where": country,
            "details": "$.properties",
        },
        "identify": {"kind": "person", "who": required("$.userId"), "about": "$.traits"},
    },
    vectors=[
        Sends(
            {"type": "track", "event": "Order Paid", "anonymousId": "d1", "context": {"country": "nl"}},
            {"kind": "purchase", "what": "Order Paid", "who": "d1", "where": "NL"},
        ),
        Sends({"type": "identify", "userId": "u1"}, {"kind": "person", "who": "u1"}),
        Answers(202, {"accepted": 2}, Outcome.DELIVERED),
        Answers(429, {}, Outcome.RETRY),
    ],
)
