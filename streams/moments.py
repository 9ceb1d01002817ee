"""Instants as people write them on a command line: an ISO 8601 time, or a duration ago."""

import time
from datetime import UTC, datetime

from streams import durations


def parse(text: str) -> int:
    """Epoch ms of `2026-11-21T18:00:00Z` (without a zone: UTC), or of `24h`: so long ago.

    Raises ValueError saying what was written and what is allowed.
    """
    if (ago_s := ago(text)) is not None:
        return int((time.time() - ago_s) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither an ISO 8601 time (2026-11-21T18:00:00Z) nor a duration ago (24h)"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def ago(text: str) -> float | None:
    """Seconds, where it is a duration."""
    try:
        return durations.parse(text)
    except ValueError:
        return None
