"""Every way a request can end without a valid answer, by name.

`tests/flow/test_faults.py` and `test_tls.py` make every row happen on a real socket. The text of an
exception may quote what is secret: nothing of one leaves this file but a name.
"""

import errno
import socket
import ssl
from dataclasses import dataclass

import httptools

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
GIVEN_UP = Fault("ECONNABORTED", sent=True)
UNCONNECTED = Fault("ETIMEDOUT")
UNANSWERED = Fault("ESOCKETTIMEDOUT", sent=True)
OVERFLOW = Fault("HPE_HEADER_OVERFLOW", sent=True)
NO_STATUS = Fault("HPE_INVALID_STATUS", sent=True)
NOT_HTTP = Fault("HPE_INVALID_CONSTANT", sent=True)

UNREACHABLE = frozenset({"ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"})

#: OpenSSL's X509_V_ERR_...; a certificate is not verified for any other reason: UNABLE_TO_VERIFY_...
_DISTRUST = {
    9: "CERT_NOT_YET_VALID",
    10: "CERT_HAS_EXPIRED",
    18: "DEPTH_ZERO_SELF_SIGNED_CERT",
    62: "ERR_TLS_CERT_ALTNAME_INVALID",  # HOSTNAME_MISMATCH
    64: "ERR_TLS_CERT_ALTNAME_INVALID",  # IP_ADDRESS_MISMATCH
}
#: getaddrinfo's codes for "there is no such name" and "the name has no address" (of our kind).
_NO_SUCH_NAME = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
}


def of_lookup(error: OSError) -> Fault:
    """Name what ended the resolution of a name."""
    return Fault("ENOTFOUND" if error.errno in _NO_SUCH_NAME else "EAI_AGAIN")


def of_connect(error: Exception) -> Fault:
    """Name what kept a connection, TLS included, from being made. Nothing was sent."""
    return Fault(_name(error))


def of_loss(error: Exception | None) -> Fault:
    """Name what ended a connection that waited for an answer; None is a close by the far end."""
    return Fault(_name(error), sent=True)


def of_parser(error: httptools.HttpParserError) -> Fault:
    """Name what is wrong with an answer."""
    return NO_STATUS if isinstance(error, httptools.HttpParserInvalidStatusError) else NOT_HTTP


def _name(error: Exception | None) -> str:
    if error is None or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "ECONNRESET"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _DISTRUST.get(error.verify_code, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    if isinstance(error, ssl.SSLError):
        return "EPROTO"
    if isinstance(error, ConnectionAbortedError):  # the event loop's word for a handshake that was cut off
        return "ECONNRESET"
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, answers.UNKNOWN)
    return "ECONNRESET" if isinstance(error, ConnectionResetError) else answers.UNKNOWN
