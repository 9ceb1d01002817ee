"""What routing reads of an event that is JSON: the rest is checked and passed over."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.json import Decoder

from streams.decoding.event import LONGEST_MESSAGE_ID


class _Object(Struct, gc=False):
    """A JSON object, whatever its members are."""


_Text = str | None
_Free = _Object | None


class Outline(Struct, gc=False, rename="camel"):  # nothing in it can refer back to it
    """As much of an event as decides who gets it; `streams.decoding.event` has what a field may be."""

    type: Literal["track", "identify", "page", "screen", "group", "alias"]
    message_id: Annotated[str, Meta(min_length=1, max_length=LONGEST_MESSAGE_ID)] | None = None
    integrations: Mapping[str, Any] | None = None
    user_id: _Text = None
    anonymous_id: _Text = None
    group_id: _Text = None
    previous_id: _Text = None
    event: _Text = None
    name: _Text = None
    timestamp: _Text = None
    sent_at: _Text = None
    properties: _Free = None
    traits: _Free = None
    context: _Free = None


def outline(value: bytes) -> Outline | None:
    """The outline of an event that is as it should be; None if only reading all of it can tell what it is.

    How deep it is nested is not looked at, nor how large the numbers are: orjson refuses those beyond a
    double (1e400). Of the integrations' only whole ones may be that large, for which on and off is the same.
    """
    try:
        if not value.isascii():
            value.decode()  # what is passed over may be anything but a control character
        return _read(value)
    except Exception:  # whatever it is: who reads all of it says what it is
        return None


_read = Decoder(Outline).decode
