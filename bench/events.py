"""The events of the benchmark: tracks of about 640 bytes of JSON, the same for the same number."""

import json
from collections.abc import Sequence

from streams import headers
from streams.headers import Header, Source

#: Different people, and so different keys.
PEOPLE = 5_000
#: Stands where the producer of a latency run writes when it sent the event; 0 is no time.
SENT_AT = b'"sentAtNs":"0000000000000000000"'

_EVENT = {
    "type": "track",
    "messageId": "@messageId",
    "timestamp": "2026-08-21T10:00:00.000Z",
    "userId": "@userId",
    "anonymousId": "1f2d3c4b-5a69-4788-9786-a5b4c3d2e1f0",
    "event": "Order Completed",
    "properties": {
        "sentAtNs": "0" * 19,
        "orderId": "o-2026-0821-77123",
        "revenue": 149.9,
        "currency": "EUR",
        "products": [
            {"sku": "P-100", "name": "Kettle", "price": 39.9, "quantity": 2},
            {"sku": "P-205", "name": "Teapot", "price": 24.5, "quantity": 1},
        ],
        "coupon": "AUGUST",
    },
    "context": {
        "ip": "203.0.113.7",
        "library": {"name": "analytics.js", "version": "2.1.0"},
        "locale": "en-US",
        "timezone": "America/New_York",
        "page": {"path": "/checkout", "referrer": "https://shop.example/cart"},
    },
}
_HEAD, _MIDDLE, _TAIL = (
    part.encode()
    for part in json.dumps(_EVENT, separators=(",", ":")).replace("@userId", "@messageId").split("@messageId")
)


def event_id(number: int) -> str:
    return f"bench-{number:012d}"


def key(number: int) -> bytes:
    """Spread by a multiplication, so that neighbours fall on different partitions."""
    return b"u-%05d" % (number * 2_654_435_761 % PEOPLE)


def value(number: int) -> bytes:
    return b"".join((_HEAD, event_id(number).encode(), _MIDDLE, key(number), _TAIL))


def sent_at(event: bytes, ns: int) -> bytes:
    """The event with its time of sending, Unix nanoseconds."""
    return event.replace(SENT_AT, b'"sentAtNs":"%019d"' % ns, 1)


def routed_headers(inbound: str, number: int) -> Sequence[Header]:
    """What our router puts on a record of a `deliver` topic. Others get the same records and may read them as
    they like; the source's offset is made up, its length is right."""
    return headers.shared(event_id(number), str(Source(inbound, number % 4, number // 4)))
