"""How a request says who sends it: each way is one small class that names settings, never values."""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from connectors.settings import Settings

#: (idempotency key, Unix time in seconds, body) -> the headers that vouch for this one request
Sign = Callable[[str, int, bytes], dict[str, str]]

_PLAIN = re.compile(r"[A-Za-z0-9_:/+=@~-]{1,256}").fullmatch


class Auth(Protocol):
    """A way to authenticate: headers that are always the same, a signature per request, or both."""

    @property
    def names(self) -> tuple[str, ...]:
        """The settings it reads; the connector must declare them."""

    def headers(self, settings: Settings) -> dict[str, str]:
        """The headers that every request carries, lower-case."""

    def sign(self, settings: Settings) -> Sign | None:
        """What signs each request; None when there is nothing to sign."""


@dataclass(frozen=True)
class NoAuth:
    """Nothing in the headers: there is no secret, or it is in the URL."""

    names: tuple[str, ...] = ()

    def headers(self, settings: Settings) -> dict[str, str]:
        return {}

    def sign(self, settings: Settings) -> Sign | None:
        return None


class Bearer(NoAuth):
    """``Authorization: Bearer <token>`` (RFC 6750)."""

    def __init__(self, token: str) -> None:
        super().__init__((token,))

    def headers(self, settings: Settings) -> dict[str, str]:
        return {"authorization": f"Bearer {settings[self.names[0]]}"}


class Basic(NoAuth):
    """``Authorization: Basic <base64 of user:password>`` (RFC 7617); the password may be empty."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__((user, password))

    def headers(self, settings: Settings) -> dict[str, str]:
        user, password = (settings.get(name, "") for name in self.names)
        return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


class StandardWebhooks(NoAuth):
    """The symmetric signature of Standard Webhooks 1.0: HMAC-SHA256 of ``id.timestamp.body``.

    Several secrets give several signatures, so a receiver can change its secret without a gap. Without
    a secret the id and the timestamp are sent all the same: the id is what a receiver deduplicates by.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    def __init__(self, secret: str) -> None:
        super().__init__((secret,))

    def sign(self, settings: Settings) -> Sign:
        keys = [decode_secret(secret) for secret in settings.get(self.names[0], ())]

        def sign(key: str, timestamp: int, body: bytes) -> dict[str, str]:
            message_id = webhook_id(key)
            headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
            if keys:
                content = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
                headers["webhook-signature"] = " ".join(_signature(key, content) for key in keys)
            return headers

        return sign


def webhook_id(key: str) -> str:
    """The `webhook-id` for an idempotency key: the key itself, or its digest where it is not plain.

    Producers choose event ids. The spec bars the full stop, which would blur where the signed id ends;
    anything else outside this set, a line feed above all, has no place in a header.
    """
    if _PLAIN(key):
        return key
    return "sha256-" + sha256(key.encode(errors="surrogatepass")).hexdigest()


def decode_secret(secret: str) -> bytes:
    """The key in ``whsec_<base64>``, where prefix and padding may be missing; ValueError if it is none."""
    encoded = secret.removeprefix("whsec_").rstrip("=")
    return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def is_signing_secret(secret: str) -> bool:
    try:
        return bool(decode_secret(secret))
    except (Base64Error, ValueError):
        return False


def _signature(key: bytes, content: bytes) -> str:
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()
