"""What the values of our headers may be, and how they are read: text, whole numbers, and where an event was.

Read from what anybody may have written to a topic, so nothing here is slow or raises anything but Malformed.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple


class Malformed(Exception):
    """A header of ours is missing or makes no sense; ``header`` is its full name."""

    def __init__(self, header: str, why: str) -> None:
        super().__init__(f"{header}: {why}")
        self.header = header


class Source(NamedTuple):
    """Where the record was first read; written ``events/3/1234``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def as_text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed(name, f"{value[:40]!r} is not UTF-8") from None


def _whole(digits: int) -> Callable[[str, bytes], int]:
    """A reader of whole numbers of at most so many digits. int() alone would take signs, spaces and
    underscores, and a hostile million of digits would cost it seconds."""

    def read_whole(name: str, value: bytes) -> int:
        if len(value) <= digits and value.isdigit():
            return int(value)
        raise Malformed(name, f"{value[:40]!r} is not a whole number of at most {digits} digits")

    return read_whole


def as_source(name: str, value: bytes) -> Source:
    place, _, offset = value.rpartition(b"/")
    topic, partition = _place(name, place)
    return Source(topic, partition, as_offset(name, offset))


@lru_cache(maxsize=4096)  # there are few partitions, and each is read a million times
def _place(name: str, place: bytes) -> tuple[str, int]:
    topic, slash, partition = place.partition(b"/")  # a topic's name has no slash
    if not topic or not slash or b"/" in partition or len(place) > _LONGEST_PLACE:
        raise Malformed(name, f"{place[:40]!r} is not a topic and a partition, as in topic/partition/offset")
    return as_text(name, topic), as_partition(name, partition)


#: Of Kafka's longest name of a topic, and a partition.
_LONGEST_PLACE = 249 + 10

as_count = _whole(6)
as_partition = _whole(9)
as_offset = _whole(18)
#: Until the year 5138: whatever shows an instant as a date later can't fail on it.
as_instant = _whole(14)
