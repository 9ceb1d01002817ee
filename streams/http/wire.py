"""A request as bytes. What HTTP has no way to write is refused: a line break in a value would be a header."""

import re
from functools import lru_cache

from connectors.base import Request
from streams.http.faults import Fault
from streams.http.urls import Target

#: RFC 9110 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: RFC 9110 5.5: control characters but for the tab
_UNWRITABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

INVALID = Fault("ERR_INVALID_CHAR")


def encode(request: Request, target: Target) -> bytes | Fault:
    """The request, its body included. Names of headers go out as they are, values as UTF-8."""
    if not _is_token(request.method):
        return INVALID
    lines = [_line(*header) for header in request.headers.items()]
    if None in lines:
        return INVALID
    head = f"{request.method}{target.rest}{''.join(lines)}content-length: {len(request.body)}\r\n\r\n"  # type: ignore[arg-type]
    try:
        return head.encode() + request.body
    except UnicodeEncodeError:  # half a surrogate pair
        return INVALID


@lru_cache(maxsize=1024)  # most headers of a destination are always the same
def _line(name: str, value: str) -> str | None:
    """The line of a header; None if it can't be written."""
    return None if not _is_token(name) or _UNWRITABLE.search(value) else f"{name}: {value}\r\n"


@lru_cache(maxsize=1024)
def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None
