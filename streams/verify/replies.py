"""Answers that go wrong on the wire, by the names that scripts call them.

reset, close            the connection ends after the request, by RST or FIN
half-head, half-body    ... in the middle of the status line; in the body of a 200
hang                    no answer at all
slow-head, slow-body    a header that dribbles in and never ends; a 200 whose body does
late                    a whole 200, byte by byte, in time
endless-head, big-head  headers without end; as many as a client must still take
endless-body, gigabyte  a 200 whose body never ends; one that says how long it is
gzip-bomb               a 200 whose body is 32 MiB of zeros, packed
continues               twenty 1xx answers before the 200
endless-continues       ... and no 200
redirect                307 to the healthy destination
status-99, not-http     nonsense
"""

import functools
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

from streams.demo import misbehave
from streams.demo.misbehave import Reply, Then

FOREVER = 1 << 62
#: What is dribbled comes at this pace, seconds: too slow to end, too fast to look idle.
DRIBBLE_S = 0.05
BOMB_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Long(Reply):
    """An answer that goes on after `wire`: `piece` again and again, then `tail`."""

    piece: bytes = b""
    times: int = FOREVER
    every_s: float = 0.0  #: between pieces; 0: as fast as they are taken
    tail: bytes = b""


_OK = b"HTTP/1.1 200 OK\r\n"
_WHOLE = _OK + b"content-length: 2\r\n\r\nok"
_CONTINUES = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
_LINE = b"x-%d: " + b"v" * 3000 + b"\r\n"

#: `Reply.code` is what a worker calls it.
NAMED: Mapping[str, Reply] = {
    "reset": misbehave.RESET,
    "close": Reply("ECONNRESET", then=Then.CLOSE),
    "half-head": Reply("ECONNRESET", b"HTTP/1.1 20", Then.RESET),
    "half-body": Reply("200", _OK + b"content-length: 100\r\n\r\nabc", Then.CLOSE),
    "hang": misbehave.SLOW,
    "slow-head": Long("ESOCKETTIMEDOUT", _OK + b"x-slow: ", piece=b"x", every_s=DRIBBLE_S),
    "slow-body": Long("200", _OK + b"content-length: 100000\r\n\r\n", piece=b"x", every_s=DRIBBLE_S),
    "late": Long("200", piece=_WHOLE[:10], times=1, every_s=0.2, tail=_WHOLE[10:]),
    "endless-head": Long("HPE_HEADER_OVERFLOW", _OK + b"x-long: ", piece=b"x" * 65536),
    "big-head": Reply("200", _OK + b"".join(_LINE % n for n in range(60)) + b"content-length: 0\r\n\r\n"),
    "endless-body": Long("200", _OK + b"\r\n", piece=b"x" * 65536),
    "gigabyte": Long(
        "200", _OK + b"content-length: %d\r\n\r\n" % (1 << 30), piece=b"x" * 65536, times=1 << 14
    ),
    "continues": Long("200", piece=_CONTINUES, times=10, tail=_WHOLE),
    "endless-continues": Long("HPE_HEADER_OVERFLOW", piece=_CONTINUES * 20),
    "redirect": misbehave.http(307, location="/steady"),
    "status-99": misbehave.STATUS_99,
    "not-http": misbehave.MALFORMED,
    "gzip-bomb": Reply("200"),
}


def named(name: str) -> Reply:
    """The answer of this name; the bomb is packed when it is first wanted, which takes 0.1 s."""
    return _bomb() if name == "gzip-bomb" else NAMED[name]


@functools.cache
def _bomb() -> Reply:
    packed = gzip.compress(bytes(BOMB_BYTES), compresslevel=1)
    head = b"content-encoding: gzip\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return Reply("200", _OK + head % len(packed) + packed)
