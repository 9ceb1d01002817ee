"""Apache's own Avro library, which has no part in the product, says whether our bytes are right."""

from io import BytesIO
from typing import Any

import avro.io
import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType


def fingerprint(schema: str) -> bytes:
    return bytes(avro.schema.parse(schema).fingerprint("CRC-64-AVRO"))


def write(schema: str, datum: object) -> bytes:
    target = BytesIO()
    avro.io.DatumWriter(avro.schema.parse(schema)).write(datum, avro.io.BinaryEncoder(target))
    return target.getvalue()


def write_single_object(schema: str, datum: object) -> bytes:
    return b"\xc3\x01" + fingerprint(schema) + write(schema, datum)


def read(schema: str, value: bytes) -> Any:
    source = BytesIO(value)
    found = avro.io.DatumReader(avro.schema.parse(schema)).read(avro.io.BinaryDecoder(source))
    assert source.tell() == len(value)
    return found


def read_single_object(schema: str, value: bytes) -> Any:
    assert value[:10] == b"\xc3\x01" + fingerprint(schema)
    return read(schema, value[10:])


def can_read(reader: str, writer: str) -> bool:
    checker = ReaderWriterCompatibilityChecker()
    verdict = checker.get_compatibility(avro.schema.parse(reader), avro.schema.parse(writer))
    return bool(verdict.compatibility is SchemaCompatibilityType.compatible)
