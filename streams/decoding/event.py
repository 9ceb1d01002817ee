"""What makes a dict an event: the fields of the common spec, checked and brought into one shape."""

from typing import Any

from streams.decoding.undecodable import Reason, Undecodable

TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})

#: The fields that hold whatever JSON object the producer likes.
FREE_FORM = ("properties", "traits", "context", "integrations")

#: The longest messageId, in characters.
LONGEST_MESSAGE_ID = 512

_IDS = ("userId", "anonymousId", "groupId", "previousId")
_TEXTS = ("type", "messageId", "event", "name", "timestamp", "sentAt")
_SHAPES: dict[str, type] = dict.fromkeys(_IDS + _TEXTS, str) | dict.fromkeys(FREE_FORM, dict)

#: From here on a number that was read as a double may have lost digits.
_INEXACT = 2.0**53


def normalise(fields: dict[str, Any]) -> dict[str, Any]:
    """Check the fields of an event, repair what can mean one thing only, and return the same dict.

    `type` becomes lower case, numeric ids become text, and fields that are null are left out. Fields
    that the common spec doesn't know are kept.

    Raises:
        Undecodable: invalid-event.
    """
    kind = fields.get("type")
    if kind.__class__ is not str or kind not in TYPES:
        fields["type"] = _type(kind)
    # Once per event on the hot path: whether all is as it should be is found out in C.
    if list(map(type, fields.values())) != list(map(_SHAPES.get, fields)):
        for name in [name for name, value in fields.items() if value.__class__ is not _SHAPES.get(name)]:
            _mend(fields, name)
    message_id = fields.get("messageId")
    if message_id is not None and not 0 < len(message_id) <= LONGEST_MESSAGE_ID:
        raise _invalid("messageId", f"has {len(message_id)} characters, not 1 to {LONGEST_MESSAGE_ID}")
    return fields


def _type(kind: object) -> str:
    """The type in lower case: some producers' libraries and enums write TRACK."""
    if kind is None:
        raise _invalid("type", "is missing")
    if not isinstance(kind, str):
        raise _invalid("type", f"is {_json_type(kind)}, not a string")
    if kind.lower() not in TYPES:
        raise _invalid("type", "is none of track, identify, page, screen, group, alias")
    return kind.lower()


def _mend(fields: dict[str, Any], name: str) -> None:
    """Deal with a field that is null, unknown, or not of its type."""
    value = fields[name]
    if value is None:
        del fields[name]
    elif name in _IDS:
        fields[name] = _id(name, value)
    elif name in _SHAPES:
        expected = "an object" if _SHAPES[name] is dict else "a string"
        raise _invalid(name, f"is {_json_type(value)}, not {expected}")


def _id(name: str, value: object) -> str:
    if value.__class__ is int:
        return str(value)
    if not isinstance(value, float):
        raise _invalid(name, f"is {_json_type(value)}, neither a string nor a number")
    if not abs(value) < _INEXACT:
        raise _invalid(name, "is a number too large to keep its digits; write it as a string")
    return str(int(value)) if value.is_integer() else str(value)


def _json_type(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _invalid(name: str, why: str) -> Undecodable:
    return Undecodable(Reason.INVALID_EVENT, f"{name} {why}")
