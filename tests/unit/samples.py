"""An event with a bit of everything, and how a refusal is looked at."""

from typing import Any

import pytest
from hypothesis import strategies as st

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


#: Places, and what is there instead.
CHANGES = st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=3)), min_size=1, max_size=4)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def damaged(valid: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """These bytes with some of them changed, added or left out."""
    value = bytearray(valid)
    for place, change in changes:
        value[place % len(valid) : place % len(valid) + 1] = change
    return bytes(value)


def refused(value: bytes | None, decoder: Decoder | None = None) -> tuple[Reason, str]:
    with pytest.raises(Undecodable) as caught:
        (decoder or Decoder()).decode(value)
    return caught.value.reason, caught.value.detail
