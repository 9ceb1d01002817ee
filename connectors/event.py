"""What most destinations ask of an event, read alike for all: its name, its time, whose it is.

The field's common spec promises types that a producer need not keep: here a wrong one is Unmappable,
so that it becomes a reason in the dlq rather than an answer nobody can read. Every function is a
mapping callable: it can stand in a template as it is.
"""

from datetime import UTC, datetime, timedelta

from connectors.mapping import Event, Unmappable

#: The types of the common spec: https://segment.com/docs/connections/spec/
EVENT_TYPES = ("track", "identify", "page", "screen", "group", "alias")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_NUMBER = 2**64


def event_name(event: Event) -> str:
    """The name of a track event: a string with something in it."""
    name = event.get("event")
    if not isinstance(name, str) or not name.strip():
        raise Unmappable("$.event is not a name")
    return name


def user_id(event: Event) -> str | None:
    """Who it was, when known."""
    return _identifier(event, "userId")


def anonymous_id(event: Event) -> str | None:
    """The device or browser it came from, when known."""
    return _identifier(event, "anonymousId")


def time_us(event: Event) -> int | None:
    """When it happened, in microseconds since 1970 (UTC where no zone is named); None when unsaid."""
    text = event.get("timestamp") or event.get("sentAt")
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise Unmappable("$.timestamp is not an ISO 8601 time") from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - _EPOCH) // _MICROSECOND


def time_ms(event: Event) -> int:
    """When it happened, in milliseconds since 1970, for a destination that must be told."""
    if (time := time_us(event)) is None:
        raise Unmappable("$.timestamp is missing")
    return time // 1000


def _identifier(event: Event, field: str) -> str | None:
    """An id is a string; a number, as many databases have it, is written as one. Empty is none."""
    value = event.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LONGEST_NUMBER:
        return str(value)
    if value is not None and not isinstance(value, str):
        raise Unmappable(f"$.{field} is neither a string nor a 64-bit number")
    return value or None
