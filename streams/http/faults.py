"""Every way a request can end without a valid answer, by name.

pyreqwest has few exception classes: a refused connection and one that was reset after the request are
both ConnectError. What tells them apart is in `details["causes"]`, the chain of Rust errors, outermost
first. Operating system errors carry their number there. What is left is known by its text alone: TEXTS.
`tests/flow/test_faults.py` and `test_tls.py` make every row happen on a real socket, so that an upgrade
that rewords one fails.

The first cause quotes the URL, query and all, and so does a ValueError a header. Nothing of an
exception leaves this file but a name.
"""

import errno
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from pyreqwest import exceptions

from connectors import answers


@dataclass(frozen=True, slots=True)
class Fault:
    """An end without a valid answer: a name of `connectors.answers`, and whether the request went out."""

    error: str
    #: False only when it is certain that no byte of the request reached the destination.
    sent: bool = False

    @property
    def unreachable(self) -> bool:
        """No connection to this address. Another address of the same name may be asked at once."""
        return not self.sent and self.error in UNREACHABLE


#: The client was closed: by us, so nothing more can be learnt about the request.
CLOSED = Fault("ECONNABORTED")

#: rustls has no better word for it; `certificates` may have.
UNVERIFIED = Fault("UNABLE_TO_VERIFY_LEAF_SIGNATURE")

UNREACHABLE = frozenset({"ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"})

#: hyper: no connection, or no TLS on it. Every other cause means that the request may have left.
BEFORE_SENDING = "client error (Connect)"

#: Pieces of cause texts, as observed with pyreqwest 0.15.1 (hyper 1.12, rustls 0.23.45). First match wins.
TEXTS = (
    ("certificate expired", "CERT_HAS_EXPIRED"),
    ("certificate not valid yet", "CERT_NOT_YET_VALID"),
    ("certificate not valid for name", "ERR_TLS_CERT_ALTNAME_INVALID"),
    ("UnknownIssuer", UNVERIFIED.error),
    # Signed by another key of the same name: an authority that was made anew.
    ("BadSignature", UNVERIFIED.error),
    # The usual self-signed certificate (`openssl req -x509` makes a CA), even where it is trusted.
    ("CaUsedAsEndEntity", UNVERIFIED.error),
    ("tls handshake eof", "ECONNRESET"),
    # Among others: it wants a certificate of ours. TLS 1.3 says so after the request.
    ("received fatal alert", "EPROTO"),
    ("invalid HTTP status-code parsed", "HPE_INVALID_STATUS"),
    ("message head is too large", "HPE_HEADER_OVERFLOW"),
)

_OS_ERROR = re.compile(r"\(os error (\d+)\)")

#: What an exception means when its causes say nothing: the first class that fits, before and after sending.
_CLASSES: tuple[tuple[type[Exception], str, str], ...] = (
    (exceptions.RequestTimeoutError, "ETIMEDOUT", "ESOCKETTIMEDOUT"),
    (exceptions.DecodeError, "EPROTO", "HPE_INVALID_CONSTANT"),
    (exceptions.NetworkError, "EPROTO", "ECONNRESET"),
)

#: getaddrinfo's codes for "there is no such name" and "the name has no address" (of our kind).
_NO_SUCH_NAME = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
}


def of_request(error: exceptions.PyreqwestError) -> Fault:
    """Name what ended a request. Total: what fits nothing is UNKNOWN, and counts as sent."""
    if isinstance(error, exceptions.ClientClosedError):
        return Fault(CLOSED.error, sent=True)
    if isinstance(error, exceptions.BuilderError):
        return Fault("ERR_INVALID_URL")
    causes = _causes(error)
    sent = BEFORE_SENDING not in causes
    return Fault(_of_class(error, sent) if _timed_out(error) else _name(error, causes, sent), sent)


def of_lookup(error: OSError) -> Fault:
    """Name what ended the resolution of a name."""
    return Fault("ENOTFOUND" if error.errno in _NO_SUCH_NAME else "EAI_AGAIN")


def root(error: exceptions.PyreqwestError) -> str:
    """The innermost cause, for an error of configuration. That of a request might quote its URL."""
    causes = _causes(error)
    return causes[-1] if causes else error.message


def _causes(error: exceptions.PyreqwestError) -> Sequence[str]:
    details = getattr(error, "details", None) or {}
    return [cause["message"] for cause in details.get("causes") or ()]


def _timed_out(error: Exception) -> bool:
    return isinstance(error, exceptions.RequestTimeoutError)


def _name(error: Exception, causes: Sequence[str], sent: bool) -> str:
    told = "\n".join(causes[1:])
    if number := _OS_ERROR.search(told):
        return errno.errorcode.get(int(number[1]), answers.UNKNOWN)
    return next((name for text, name in TEXTS if text in told), None) or _of_class(error, sent)


def _of_class(error: Exception, sent: bool) -> str:
    for kind, before, after in _CLASSES:
        if isinstance(error, kind):
            return after if sent else before
    return answers.UNKNOWN
