"""Avro's binary encoding of plain fields, for records that are written once for every event.

fastavro writes any record, and looks up for each field what it is. Where the fields are known it is twice as
fast to write them one after the other; tests/unit/test_attempts.py holds the result against fastavro's.
"""

from functools import lru_cache

FALSE, TRUE = b"\x00", b"\x01"
#: The branches of ["null", something].
NULL, SOME = b"\x00", b"\x02"
#: Behind the items of an array.
END = b"\x00"


def number(value: int) -> bytes:
    """An int or long: zigzag, seven bits a byte, the lowest first."""
    left = value << 1 if value >= 0 else ((-value) << 1) - 1
    if left < 0x80:
        return _BYTES[left]
    return _MORE[left & 0x7F] + _rest(left >> 7)


@lru_cache(maxsize=4096)  # of neighbouring offsets and instants all but the lowest bits are the same
def _rest(left: int) -> bytes:
    encoded = bytearray()
    while left >= 0x80:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def text(value: str) -> bytes:
    """A string; half a surrogate pair, from somebody's error text, becomes a question mark."""
    encoded = value.encode("utf-8", "replace")
    return number(len(encoded)) + encoded


def maybe_text(value: str | None) -> bytes:
    """["null", "string"]"""
    return NULL if value is None else SOME + text(value)


def maybe_number(value: int | None) -> bytes:
    """["null", "long"]"""
    return NULL if value is None else SOME + number(value)


_BYTES = [bytes([value]) for value in range(0x80)]
_MORE = [bytes([value | 0x80]) for value in range(0x80)]
