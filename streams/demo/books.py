"""The books a demo destination keeps, from which everything it says about itself is computed."""

import datetime
import time
from collections import Counter
from typing import Any

from streams.demo import misbehave

#: When a destination's key expires: after so many events, or so long after its first request.
Expiry = int | datetime.timedelta


class Destination:
    """One destination and its books: every key it was sent, and the answers it gave, in order."""

    def __init__(self, expires: Expiry | None = None) -> None:
        self.answers: dict[str, list[str]] = {}
        self._expires = expires
        self._began = time.monotonic()

    def reply(self, key: str) -> misbehave.Reply:
        """Choose and note the answer to the next attempt of a key."""
        expired = self._expired()
        given = self.answers.setdefault(key, [])
        reply = misbehave.expired(key) if expired else misbehave.reply(key, len(given) + 1)
        given.append(reply.code)
        return reply

    def renew(self) -> None:
        self._expires = None

    def counts(self) -> dict[str, Any]:
        """What came, what was answered to first attempts and in all, and what got through.

        ``delivered`` counts events with a 2xx; ``repeated`` each 2xx an event got beyond its first.
        """
        every = self.answers.values()
        successes = [sum(code.startswith("2") for code in codes) for codes in every]
        return {
            "requests": sum(map(len, every)),
            "events": len(every),
            "delivered": sum(count > 0 for count in successes),
            "repeated": sum(count - 1 for count in successes if count),
            "first": dict(Counter(codes[0] for codes in every)),
            "answers": dict(Counter(code for codes in every for code in codes)),
            "attempts": {str(n): events for n, events in sorted(Counter(map(len, every)).items())},
        }

    def _expired(self) -> bool:
        if isinstance(self._expires, datetime.timedelta):
            return time.monotonic() - self._began >= self._expires.total_seconds()
        return self._expires is not None and len(self.answers) >= self._expires
