"""What an answer means: every possible end of an HTTP request, and what follows from it.

The table of the house, once, as data. Nothing here does I/O; nothing here raises.

| outcome     | which answers                                                                     |
|-------------|-----------------------------------------------------------------------------------|
| delivered   | 2xx                                                                               |
| retry       | 408, 425, 429, 5xx except 501; the network failed (DNS, refused, reset, timeout)  |
| credentials | 401, 403                                                                          |
| rejected    | every other status; not HTTP; TLS faults; an address or URL that is not allowed   |
| unmappable  | the connector could not make a request from the event: there is no answer at all  |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What follows from one attempt, for one event."""

    #: The destination has it. Done.
    DELIVERED = "delivered"
    #: Not now; perhaps later. The next delay tier.
    RETRY = "retry"
    #: The destination does not accept our key: every event would fail alike until someone acts.
    CREDENTIALS = "credentials"
    #: The destination will never accept this request. The dlq, at once.
    REJECTED = "rejected"
    #: No request could be made from this event. The dlq, before any request.
    UNMAPPABLE = "unmappable"


#: The answer is a failure nobody has named yet.
UNKNOWN = "UNKNOWN"

#: The network or the far end failed for now. Names as the operating system or Node.js has them.
RETRIED_ERRORS = frozenset({
    "ENOTFOUND",  # DNS: no such name, or the name has no address
    "EAI_AGAIN",  # DNS: the resolver failed or was too slow
    "ECONNREFUSED",
    "ECONNRESET",  # reset, or closed without an answer
    "ECONNABORTED",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EPIPE",
    "ETIMEDOUT",  # no connection (TLS included) in time: nothing was sent
    "ESOCKETTIMEDOUT",  # connected and sent, but no complete answer in time
})  # fmt: skip

#: Trying again cannot help: the far end, or our configuration of it, must change first.
REJECTED_ERRORS = frozenset({
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",  # issued by nobody we trust
    "ERR_TLS_CERT_ALTNAME_INVALID",  # issued for another name
    "EPROTO",  # the TLS handshake failed otherwise
    "HPE_INVALID_STATUS",  # a status outside 100-599
    "HPE_INVALID_CONSTANT",  # not HTTP
    "HPE_HEADER_OVERFLOW",  # more headers than any client should read
    "EFORBIDDENADDRESS",  # the name leads to an address we may not connect to
    "ERR_INVALID_URL",
    "ERR_INVALID_CHAR",  # a method or header that HTTP has no way to write
})  # fmt: skip

#: Statuses below 500 that mean "later" (RFC 9110 15.5.9, RFC 8470, RFC 6585).
RETRIED_STATUSES = frozenset({408, 425, 429})

#: Nobody waits longer than this for a destination that says Retry-After.
LONGEST_RETRY_AFTER_S = 24 * 3600.0


@dataclass(slots=True, init=False)  # one is made of every event: mypyc compiles no __init__ of dataclasses
class Answer:
    """How one HTTP request ended: either with a `status`, or with an `error`."""

    #: 100-599; None when no valid answer came.
    status: int | None
    #: Lower-case names; bounded by whoever read them (64 names, 1 KiB a value).
    headers: Mapping[str, str]
    #: The head of the body (4 KiB by default); the rest was never read.
    body: bytes
    #: A name of RETRIED_ERRORS or REJECTED_ERRORS, or UNKNOWN; None when `status` is set.
    error: str | None
    #: The request may have reached the destination.
    sent: bool
    elapsed_ms: int

    def __init__(
        self,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        error: str | None = None,
        sent: bool = False,
        elapsed_ms: int = 0,
    ) -> None:
        self.status, self.error = status, error
        self.headers = {} if headers is None else headers
        self.body, self.sent, self.elapsed_ms = body, sent, elapsed_ms

    @property
    def ambiguous(self) -> bool:
        """Sent, but unanswered, and to be sent again: the destination may get it twice."""
        return self.sent and self.status is None and outcome_of(self) is Outcome.RETRY

    @property
    def code(self) -> str:
        """What attempts, dlq headers, metrics and pages show: "503" or "ECONNREFUSED"."""
        return str(self.status) if self.status is not None else self.error or UNKNOWN


def outcome_of_status(status: int) -> Outcome:
    """Total over all integers. A final 1xx or 3xx is rejected: redirects are never followed."""
    if 200 <= status <= 299:
        return Outcome.DELIVERED
    if status in (401, 403):
        return Outcome.CREDENTIALS
    if status in RETRIED_STATUSES or (500 <= status <= 599 and status != 501):
        return Outcome.RETRY
    return Outcome.REJECTED


def outcome_of_error(error: str) -> Outcome:
    """Total over all strings. A nameless fault is retried: the budget ends it, and nothing is lost early."""
    return Outcome.REJECTED if error in REJECTED_ERRORS else Outcome.RETRY


def outcome_of(answer: Answer) -> Outcome:
    """The meaning of an answer, unless the connector reads the body otherwise."""
    if answer.status is not None:
        return outcome_of_status(answer.status)
    return outcome_of_error(answer.error or UNKNOWN)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (Unix time) that the destination asks us to wait (RFC 9110 10.2.3).

    None when absent or nonsense; 0.0 for a date that has passed; at most 24 hours.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _delay(value)
    if seconds is None:
        seconds = _until(value, now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)


def _delay(value: str) -> float | None:
    """`120`; also `1.5`, which RFC 9110 does not know but some APIs send."""
    return float(value) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else None


def _until(value: str, now: float) -> float | None:
    """`Fri, 31 Dec 1999 23:59:59 GMT`, and the two obsolete forms of RFC 9110 5.6.7."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)  # asctime names no zone: it is GMT
    return date.timestamp() - now
