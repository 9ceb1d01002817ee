"""What destinations answer on a real day, byte for byte: mostly yes, and every kind of no.

The shares are those of first attempts at a large event-delivery service. Which answer an event gets
is drawn by a hash of its idempotency key: the same events meet the same day, in any order.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus


class Then(Enum):
    """What the destination does with the connection after its last byte."""

    #: Waits for the next request.
    KEEP = "keep"
    #: Closes it.
    CLOSE = "close"
    #: Resets it (RST), so that even bytes on the way are lost.
    RESET = "reset"
    #: Keeps it open and says nothing more.
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer on the wire; ``code`` is what a client should call it: ``503``, ``ECONNRESET``."""

    code: str
    wire: bytes = b""
    then: Then = Then.KEEP

    @property
    def delivered(self) -> bool:
        return self.code.startswith("2")


def http(status: int, body: object = None, **headers: str) -> Reply:
    """An ordinary HTTP answer; header names are written with underscores."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    if status != HTTPStatus.NO_CONTENT:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Reply(str(status), "\r\n".join([*lines, "", ""]).encode() + content)


OK = http(200, {"status": "OK", "code": 200})
EXPIRED = http(401, {"error": "unauthorized", "message": "API key expired"}, www_authenticate="Bearer")
FORBIDDEN = http(403, {"error": "forbidden", "message": "This key may no longer write"})
BAD_EVENT = http(
    400, {"error": "invalid_event", "message": "properties.revenue must be a number", "field": "revenue"}
)
TOO_MANY = http(429, {"error": "rate_limited", "message": "Slow down"})
TOO_MANY_1S = http(429, {"error": "rate_limited", "retry_after": 1}, retry_after="1")
TOO_MANY_2S = http(429, {"error": "rate_limited", "retry_after": 2}, retry_after="2")
BROKEN = http(500, {"error": "internal", "message": "Something went wrong on our side"})
BAD_GATEWAY = http(502, {"error": "bad gateway"})
UNAVAILABLE = http(503, {"error": "unavailable"}, retry_after="1")
GATEWAY_TIMEOUT = http(504, {"error": "upstream timed out"})
TEAPOT = http(418, {"error": "I'm a teapot"})
RESET = Reply("ECONNRESET", then=Then.RESET)
SLOW = Reply("ESOCKETTIMEDOUT", then=Then.SILENCE)
STATUS_99 = Reply("HPE_INVALID_STATUS", b"HTTP/1.1 99 Red Balloons\r\ncontent-length: 0\r\n\r\n", Then.CLOSE)
MALFORMED = Reply("HPE_INVALID_CONSTANT", b"HTTQ/one.one fine thanks\r\n\r\n", Then.CLOSE)

#: How often each answer comes, of 10,000 first attempts. The missing 380 (3.8 %) are 401 and 403: no
#: matter of chance, but of one destination whose key expires half-way (``DemoDestination``).
DAY: tuple[tuple[int, Reply], ...] = (
    (7_400, OK),
    (1_060, http(202, {"status": "accepted"})),
    (800, http(204)),
    (51, BAD_EVENT),
    (40, TOO_MANY),
    (30, TOO_MANY_1S),
    (20, TOO_MANY_2S),
    (58, BROKEN),
    (40, BAD_GATEWAY),
    (43, UNAVAILABLE),
    (20, GATEWAY_TIMEOUT),
    (20, RESET),
    (12, SLOW),
    (10, TEAPOT),
    (8, STATUS_99),
    (8, MALFORMED),
)

#: What passes by itself: a later attempt of the same event mostly gets through.
PASSING = frozenset(
    reply
    for _, reply in DAY
    if reply.code in {"429", "500", "502", "503", "504", "ECONNRESET", "ESOCKETTIMEDOUT"}
)

#: Of 100 later attempts, those that fail again, though the next one may not.
FAILS_AGAIN = 15
#: Of 100 events that failed in passing, those that fail for good and end with their budget.
NEVER_SUCCEEDS = 4


def reply(key: str, attempt: int) -> Reply:
    """The answer to one attempt (1 is the first) of the event with this idempotency key."""
    first = _first(_draw(key, sum(share for share, _ in DAY)))
    if attempt == 1 or first not in PASSING:
        return first
    if _draw(f"never {key}", 100) < NEVER_SUCCEEDS or _draw(f"{attempt} {key}", 100) < FAILS_AGAIN:
        return UNAVAILABLE
    return OK


def expired(key: str) -> Reply:
    """The answer once the destination's key has expired: 401, to one event in five 403."""
    return FORBIDDEN if _draw(f"expired {key}", 5) == 0 else EXPIRED


def _first(ticket: int) -> Reply:
    for share, answer in DAY:
        if ticket < share:
            return answer
        ticket -= share
    raise ValueError("the ticket is not of this day")


def _draw(key: str, sides: int) -> int:
    """A uniform draw from 0 to sides - 1, the same for the same key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) % sides
