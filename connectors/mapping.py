"""How an event becomes what a destination takes: the mapping language, all of it.

A template is a JSON value in which

- ``"$.a.b"`` reads the event; ``"$"`` is the whole event,
- ``required(t)`` makes an event Unmappable for which ``t`` gives nothing,
- ``first(t1, t2, ...)`` gives the first that is there,
- any callable is given the event and returns the value, or raises Unmappable,

and everything else stands for itself. Nothing is None: a null in the event counts as missing (Avro's
optional fields are null), and a key whose value is missing is left out. The same language reads the
settings where a connector builds its URL's query and its headers.

There is no fifth rule: what these do not say is a function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

Event = Mapping[str, Any]
Read = Callable[[Event], Any]


class Unmappable(Exception):
    """The connector cannot make a request from this event, now or ever: the event goes to the dlq.

    The text says why. It names fields, and never shows what is in them.
    """


class MappingFault(Unmappable):
    """A connector's function failed on an event as its author did not foresee: a bug of ours.

    The event is dead-lettered all the same, as Unmappable: one strange event must not stop a worker.
    """


@dataclass(frozen=True, slots=True)
class Path:
    """``$.a.b``: the value at these keys, or None."""

    keys: tuple[str, ...]

    def __call__(self, event: Event) -> Any:
        value: Any = event
        for key in self.keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value

    def __str__(self) -> str:
        return ".".join(("$", *self.keys))


@dataclass(frozen=True, slots=True)
class First:
    """The first of these that is there, or None."""

    reads: tuple[Read, ...]

    def __call__(self, event: Event) -> Any:
        for read in self.reads:
            if (value := read(event)) is not None:
                return value
        return None

    def __str__(self) -> str:
        return " or ".join(map(str, self.reads))


@dataclass(frozen=True, slots=True)
class Required:
    """What this reads, or Unmappable."""

    read: Read

    def __call__(self, event: Event) -> Any:
        if (value := self.read(event)) is None:
            raise Unmappable(f"{self.read} is missing")
        return value

    def __str__(self) -> str:
        return str(self.read)


def required(template: Any) -> Required:
    """The event is Unmappable where `template` gives nothing."""
    return Required(reader(template))


def first(*templates: Any) -> First:
    """The first of `templates` that gives something; a last one that is no path is the default."""
    return First(tuple(reader(template) for template in templates))


def reader(template: Any) -> Read:
    """Compile a template, once, into the function that reads an event with it."""
    if callable(template):
        return template  # type: ignore[no-any-return]
    if isinstance(template, str):
        keys = template.split(".")
        return Path(tuple(keys[1:])) if keys[0] == "$" else lambda event: template
    if isinstance(template, Mapping):
        return _object({key: reader(value) for key, value in template.items()})
    if isinstance(template, (list, tuple)):
        return _array([reader(value) for value in template])
    return lambda event: template


def _object(fields: dict[str, Read]) -> Read:
    return lambda event: {key: value for key, read in fields.items() if (value := read(event)) is not None}


def _array(elements: list[Read]) -> Read:
    return lambda event: [value for read in elements if (value := read(event)) is not None]


def to_json(value: Any) -> bytes:
    """Compact UTF-8 JSON; what orjson refuses is Unmappable.

    That is: lone surrogates (not UTF-8), nesting beyond 254 levels, and integers beyond 64 bits. The
    last could be written, but many receivers would read them as doubles and change them without a
    word (RFC 8259, section 6); a dlq record says so instead. NaN and infinities become null.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:  # orjson's text names the rule that was broken, never the value
        raise Unmappable(f"not JSON: {error}") from None
