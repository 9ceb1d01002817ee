"""Bytes to events and back.

Three formats arrive, and the first bytes tell which:

    {                  JSON, one object (after white space or a byte order mark, if any)
    C3 01              Avro, single-object encoding: 8 bytes of fingerprint, the datum
    00                 Confluent wire format: 4 bytes of schema id, the datum

An event is a dict as JSON has it: `type` is one of six, `messageId` a string if present, `properties`,
`traits`, `context` and `integrations` dicts if present, nothing at the top is None. Integers beyond
64 bits have become doubles, as in JavaScript.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from streams.decoding import datum
from streams.decoding.event import FREE_FORM, normalise
from streams.decoding.outline import Outline, outline
from streams.decoding.registry import Registered, Registry, RegistryUnavailable, SchemaMissing
from streams.decoding.undecodable import Reason, Undecodable

__all__ = [
    "Decoder",
    "Outline",
    "Reason",
    "RegistryUnavailable",
    "Undecodable",
    "encode_avro",
    "encode_confluent",
    "encode_json",
]

#: The default of Kafka's max.message.bytes.
MAX_BYTES = 1024 * 1024

#: JSON nested deeper is refused: orjson writes 254 levels, and connectors add some of their own.
DEEPEST = 128

_BRACE, _CONFLUENT = 0x7B, 0x00
_HEADER = 5  # bytes of it and the schema id
_BOM = b"\xef\xbb\xbf"

#: Every published version of the event, by fingerprint, oldest first.
_EVENTS = datum.published("event")
_EVENT = list(_EVENTS.values())[-1]
_COLUMNS = frozenset(field["name"] for field in _EVENT.parsed["fields"]) - {"extra"}


class Decoder:
    """Reads events. What it learned about schemas is kept, so one for a whole worker."""

    def __init__(self, registry: Registry | None = None, max_bytes: int = MAX_BYTES) -> None:
        self._registry = registry
        self._max_bytes = max_bytes
        self._schemas: dict[int, datum.Schema | None] = {}  # None: the data are JSON
        self._refused: dict[int, str] = {}  # the schemas that are unsupported, and why

    @property
    def asks(self) -> bool:
        """Whether there is a registry, and so something to prepare."""
        return self._registry is not None

    def decode(self, value: bytes | None) -> dict[str, Any]:
        """The event in a record's value. The dict is the caller's to change.

        Raises:
            Undecodable: the bytes are no event. Nothing else is ever raised because of the bytes.
            RegistryUnavailable: the schema of the bytes can't be had now. Our trouble: try again later.
        """
        try:
            return self._decode(value)
        except (Undecodable, RegistryUnavailable):
            raise
        except Exception as error:  # MemoryError and RecursionError are among these
            raise Undecodable(Reason.UNEXPECTED, type(error).__name__) from None

    def outline(self, value: bytes | None) -> Outline:
        """What decides who gets an event. The rest is only checked, and but for this: a number that no double
        holds (1e400) passes, and is found by whoever decodes the event for a destination.

        Raises:
            Undecodable, RegistryUnavailable: as `decode`.
        """
        if value and value[0] == _BRACE and len(value) <= self._max_bytes and _opened(value) <= DEEPEST:
            found = outline(value)
            if found is not None:
                return found
        event = self.decode(value)
        return Outline(event["type"], event.get("messageId"), event.get("integrations"))

    async def prepare(self, values: Iterable[bytes | None]) -> None:
        """Fetch, off the event loop, every schema that decoding these values will need.

        Without it `decode` asks the registry itself, and everything else waits for the answer.

        Raises:
            RegistryUnavailable.
        """
        if self._registry is None:
            return
        framed = [value for value in values if value and value[0] == _CONFLUENT and len(value) >= _HEADER]
        for schema_id in {_schema_id(value) for value in framed}:
            if schema_id not in self._schemas and not self._registry.knows(schema_id):
                with contextlib.suppress(Undecodable):  # decode will say so, of every record concerned
                    await asyncio.to_thread(self._look_up, schema_id)

    def _decode(self, value: bytes | None) -> dict[str, Any]:
        if not value:
            raise Undecodable(Reason.EMPTY, "no value" if value is None else "a value without bytes")
        if len(value) > self._max_bytes:
            raise Undecodable(Reason.TOO_LARGE, f"{len(value)} bytes; {self._max_bytes} are allowed")
        first = value[0]
        if first == _BRACE:
            return normalise(_json(value))
        if first == _CONFLUENT:
            return self._confluent(value)
        if value.startswith(datum.MARKER):
            return normalise(_unfold_ours(datum.read_single_object(value, _EVENTS)))
        if value.removeprefix(_BOM).lstrip(b" \t\r\n").startswith(b"{"):
            return normalise(_json(value.removeprefix(_BOM)))
        raise Undecodable(Reason.UNSUPPORTED_FORMAT, f"it begins with {first:02x}: neither JSON nor Avro")

    def _confluent(self, value: bytes) -> dict[str, Any]:
        schema_id = _schema_id(value)
        if len(value) < _HEADER:
            raise Undecodable(Reason.CORRUPT_AVRO, "it ends within the schema id")
        schema = self._schemas[schema_id] if schema_id in self._schemas else self._look_up(schema_id)
        if schema is None:
            return normalise(_json(value[_HEADER:]))
        fields = schema.read(value, _HEADER)
        return normalise(_unfold_ours(fields) if schema.fingerprint in _EVENTS else _unfold_theirs(fields))

    def _look_up(self, schema_id: int) -> datum.Schema | None:
        if self._registry is None:
            raise Undecodable(Reason.UNKNOWN_SCHEMA, f"schema {schema_id}: no schema registry is configured")
        if schema_id not in self._refused:
            try:
                self._schemas[schema_id] = _schema(self._registry.schema(schema_id))
            except SchemaMissing as missing:
                raise Undecodable(Reason.UNKNOWN_SCHEMA, str(missing)) from None
            except datum.UnsupportedSchema as fault:
                self._refused[schema_id] = f"schema {schema_id}: {fault}"
        if schema_id in self._refused:
            raise Undecodable(Reason.UNSUPPORTED_SCHEMA, self._refused[schema_id])
        return self._schemas[schema_id]


def encode_json(event: Mapping[str, Any]) -> bytes:
    """An event as JSON."""
    return orjson.dumps(event)


def encode_avro(event: Mapping[str, Any]) -> bytes:
    """An event, in the shape that `decode` gives it, in Avro's single-object encoding."""
    return _EVENT.write_single_object(_fold(event))


def encode_confluent(event: Mapping[str, Any], schema_id: int) -> bytes:
    """The same in the Confluent wire format; `schema_id` is what the registry calls schemas/event.avsc."""
    return b"\x00" + schema_id.to_bytes(4, "big") + _EVENT.write(_fold(event))


def _schema_id(value: bytes) -> int:
    return int.from_bytes(value[1:_HEADER], "big")


def _schema(found: Registered) -> datum.Schema | None:
    if found.kind == "JSON":
        return None
    if found.kind != "AVRO":
        raise datum.UnsupportedSchema(f"data of the kind {found.kind} are not read")
    return datum.parse(found.text, found.references)


def _json(text: bytes | str, where: str = "") -> dict[str, Any]:
    """A JSON object, not too deep; `where` begins the detail of an error."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        reason = Reason.TOO_DEEP if _depth(error.doc[: error.pos]) > DEEPEST else Reason.NOT_JSON
        raise Undecodable(reason, f"{where}{error.msg} at position {error.pos}") from None
    if found.__class__ is not dict:
        raise Undecodable(Reason.NOT_JSON, f"{where}not an object")
    # Two scans, so that hardly any event is walked through.
    if _opened(text) > DEEPEST and _deeper(found, DEEPEST):
        raise Undecodable(Reason.TOO_DEEP, f"{where}nested deeper than {DEEPEST} levels")
    return found


def _opened(text: bytes | str) -> int:
    """How many brackets are opened, those within strings included."""
    if isinstance(text, bytes):
        return text.count(b"{") + text.count(b"[")
    return text.count("{") + text.count("[")


def _depth(before: str) -> int:
    """How many brackets are open at the end of this beginning of a JSON text, more or less."""
    return _opened(before) - before.count("}") - before.count("]")


def _deeper(value: dict[str, Any], levels: int) -> bool:
    """Whether anything is nested in more levels than these, the outermost included."""
    level: list[Any] = [value]
    for _ in range(levels):
        members = [outer.values() if outer.__class__ is dict else outer for outer in level]
        level = [
            inner
            for outer in members
            for inner in outer
            if inner.__class__ is dict or inner.__class__ is list
        ]
        if not level:
            return False
    return True


def _fold(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the fields of schemas/event.avsc."""
    fields = {name: value for name, value in event.items() if name in _COLUMNS}
    for name in FREE_FORM:
        if name in fields:
            fields[name] = orjson.dumps(fields[name]).decode()
    extra = {name: value for name, value in event.items() if name not in _COLUMNS}
    return fields | {"extra": orjson.dumps(extra).decode()} if extra else fields


def _unfold_ours(fields: dict[str, Any]) -> dict[str, Any]:
    """The event in the fields of schemas/event.avsc."""
    found = {name: value for name, value in fields.items() if value is not None}
    _read_free_form(found)
    extra = found.pop("extra", None)
    return _json(extra, "extra: ") | found if extra else found


def _unfold_theirs(fields: object) -> dict[str, Any]:
    """The event in the fields of a schema of the producer's own."""
    if not isinstance(fields, dict):
        raise Undecodable(Reason.INVALID_EVENT, "the datum is not a record")
    _read_free_form(fields)
    return {name: datum.plain(value) for name, value in fields.items()}


def _read_free_form(fields: dict[str, Any]) -> None:
    """Read the objects that are there as JSON text; some libraries write a missing one as null."""
    for name in FREE_FORM:
        text = fields.get(name)
        if isinstance(text, str | bytes):
            fields[name] = None if text in ("null", b"null") else _json(text, f"{name}: ")
