"""An event with a bit of everything, and how a refusal is looked at."""

from typing import Any

import pytest

import schemas
from streams.codec import Decoder, Reason, Undecodable

EVENT = schemas.current("event")

SAMPLE: dict[str, Any] = {
    "type": "track",
    "messageId": "m-1",
    "userId": "u-1",
    "event": "Ordered ☕\0",
    "timestamp": "2026-11-21T22:44:47.123+01:00",
    "properties": {
        "total": 129.95,
        "coupon": None,
        "items": [{"sku": "A"}],
        "id": 2**64 - 1,
        "least": -(2**63),
    },
    "context": {},
    "channel": "web",
    "extra": {"of": "the producer's own"},
}


def refused(value: bytes | None, decoder: Decoder | None = None) -> tuple[Reason, str]:
    with pytest.raises(Undecodable) as caught:
        (decoder or Decoder()).decode(value)
    return caught.value.reason, caught.value.detail
