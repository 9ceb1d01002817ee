"""Avro data: bytes to plain values and back, by any schema, whatever the bytes are.

fastavro reads what a schema says and the schemas are trusted; the bytes are not. Three things that it
does with hostile bytes end a worker or stop it for minutes. They are dealt with here, once per schema:

    a record that contains itself     a record of 10 kB overruns the C stack           refused
    an array of items without bytes   a record of 10 bytes holds 2^60 of them          refused
    a decimal of a megabyte           two minutes, and rounded to its precision        `_read_decimal`
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import orjson
from fastavro.read import LOGICAL_READERS
from fastavro.schema import fingerprint, to_parsing_canonical_form

import schemas
from streams.decoding.undecodable import Reason, Undecodable

#: A single-object encoding begins with these bytes; the schema's fingerprint and the datum follow.
MARKER = b"\xc3\x01"
_HEADER = 10  # bytes of marker and fingerprint

#: Schemas nested deeper are refused: so much nesting is a mistake, and data of it a deep recursion.
_DEEPEST_SCHEMA = 64

#: The longest decimal, in bytes: 308 digits, more than a double has places.
_LONGEST_DECIMAL = 128

_SCALARS = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}


class UnsupportedSchema(ValueError):
    """We don't read data of this schema; the text says why."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One Avro schema, ready to read and write."""

    parsed: Any
    #: CRC-64-AVRO of the canonical form, little-endian.
    fingerprint: bytes
    #: The datum is the only field of a record that we made around the schema; a record adds no bytes.
    wrapped: bool = False

    def read(self, value: bytes, start: int, reader: "Schema | None" = None) -> Any:
        """The datum that begins at `start` and ends with the value, in the shape of `reader` if given.

        Raises:
            Undecodable: corrupt-avro. fastavro's own words are left out: they can quote the data.
        """
        source = BytesIO(value)
        source.seek(start)
        try:
            datum = fastavro.schemaless_reader(source, self.parsed, reader.parsed if reader else None)
        except Exception as error:  # whatever its readers make of bytes that are none
            raise _corrupt(f"{type(error).__name__} at byte {source.tell()}") from None
        if source.tell() != len(value):
            raise _corrupt(f"{len(value) - source.tell()} bytes are left over after the datum")
        return datum["datum"] if self.wrapped else datum

    def write(self, datum: Mapping[str, Any]) -> bytes:
        """The bare datum."""
        target = BytesIO()
        fastavro.schemaless_writer(target, self.parsed, datum)
        return target.getvalue()

    def write_single_object(self, datum: Mapping[str, Any]) -> bytes:
        """The datum after marker and fingerprint."""
        target = BytesIO()
        target.write(MARKER + self.fingerprint)
        fastavro.schemaless_writer(target, self.parsed, datum)
        return target.getvalue()


def parse(text: str, references: Sequence[str] = ()) -> Schema:
    """A schema from its JSON text; `references` are the schemas that it names, each after those it names.

    Raises:
        UnsupportedSchema: it is no Avro schema, or one we don't read data of.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            fastavro.parse_schema(orjson.loads(reference), named)
        source = orjson.loads(text)
        wrapped = not (isinstance(source, dict) and source.get("type") == "record")
        if wrapped:
            field = {"name": "datum", "type": source}
            source = {"type": "record", "name": "_distributary_datum", "fields": [field]}
        parsed: Any = fastavro.parse_schema(source, named)
        canonical = to_parsing_canonical_form(parsed)
    except Exception as error:  # fastavro finds many words for what is wrong with a schema
        raise UnsupportedSchema(f"it is no Avro schema ({type(error).__name__})") from None
    _least_bytes(parsed, named)
    return Schema(parsed, bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")), wrapped)


def published(name: str) -> dict[bytes, Schema]:
    """Every published version of one of our schemas by its fingerprint, oldest first."""
    versions = [parse(text) for text in schemas.history(name)]
    return {schema.fingerprint: schema for schema in versions}


def read_single_object(
    value: bytes | None, known: Mapping[bytes, Schema], reader: Schema | None = None
) -> Any:
    """The datum of a single-object encoding by one of the known schemas, in the shape of `reader` if given.

    Raises:
        Undecodable: unsupported-format, corrupt-avro, unknown-schema.
    """
    if value is None or not value.startswith(MARKER):
        raise Undecodable(Reason.UNSUPPORTED_FORMAT, "not Avro in the single-object encoding")
    writer = known.get(value[2:_HEADER])
    if writer is None:
        if len(value) < _HEADER:
            raise _corrupt("it ends within the fingerprint")
        raise Undecodable(
            Reason.UNKNOWN_SCHEMA, f"no published schema has the fingerprint {value[2:_HEADER].hex()}"
        )
    return writer.read(value, _HEADER, None if writer is reader else reader)


def plain(value: Any) -> Any:
    """A value that fastavro read, as JSON has it: dates as ISO 8601, bytes as base64, NaN as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: plain(member) for name, member in value.items()}
        case list():
            return [plain(member) for member in value]
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _least_bytes(schema: Any, named: Mapping[str, Any], above: tuple[str, ...] = ()) -> int:
    """The fewest bytes that a datum takes. Refuses schemas by which a few bytes can become a bomb."""
    if isinstance(schema, list):
        return 1 + min((_least_bytes(branch, named, above) for branch in schema), default=0)
    if isinstance(schema, str):
        return _SCALARS[schema] if schema in _SCALARS else _least_bytes(named[schema], named, above)
    kind = schema["type"]
    if kind in _SCALARS:
        return _SCALARS[kind]
    above = _one_deeper(schema.get("name", kind), above)
    match kind:
        case "record":
            return sum(_least_bytes(field["type"], named, above) for field in schema["fields"])
        case "fixed":
            return int(schema["size"])
        case "map":
            _least_bytes(schema["values"], named, above)
        case "array":
            if _least_bytes(schema["items"], named, above) == 0:
                raise UnsupportedSchema("it has an array whose items take no bytes")
    return 1


def _one_deeper(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
    """The names above what is in `name`; an array's or map's is its kind."""
    if name in above and name not in ("array", "map"):
        raise UnsupportedSchema(f"{name} contains itself")
    if len(above) == _DEEPEST_SCHEMA:
        raise UnsupportedSchema(f"it is nested deeper than {_DEEPEST_SCHEMA} levels")
    return (*above, name)


def _read_decimal(unscaled: bytes, writer: Mapping[str, Any], reader: object = None) -> Decimal:
    """An exact decimal of bounded length, in place of fastavro's reader."""
    if len(unscaled) > _LONGEST_DECIMAL:
        raise ValueError("decimal")
    return Decimal(f"{int.from_bytes(unscaled, 'big', signed=True)}E-{writer.get('scale', 0)}")


def _corrupt(detail: str) -> Undecodable:
    return Undecodable(Reason.CORRUPT_AVRO, detail)


# For the whole process: fastavro knows no other place for it.
LOGICAL_READERS["bytes-decimal"] = LOGICAL_READERS["fixed-decimal"] = _read_decimal
