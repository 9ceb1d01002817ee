"""Records as Kafka's record batches, encoded and compressed once for all topics that get them alike.

What goes to five topics differs in each only by who writes it, and which sequence number it has there: 14 of
the batch's bytes, and the checksum over all.
https://kafka.apache.org/documentation/#recordbatch
"""

import random
import struct
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

#: Kafka's numbers. Five copies of a batch go over the wire and lie on disks; but values of fewer bytes than
#: SMALL take longer to compress, to look into at the broker and to unpack than they are worth.
PLAIN, ZSTD = 0, 4
SMALL = 2048
#: Bytes of the records in one batch at most, before compression; but for a record that is larger by itself.
#: No topic takes less than a megabyte, unless somebody has set it so: then each record is written by itself.
MOST_BYTES = 256 * 1024

#: Bytes of a key and a value together that are packed at most; headers are mostly small. Whether a topic
#: takes a record about as large as it allows depends on how well it is compressed: not also on its way.
LARGEST = 64 * 1024

# Where a batch has its checksum, what that is of, and by whom it was written.
_CRC, _CHECKED, _WRITER = 17, 21, 43
_crc, _writer = struct.Struct(">I"), struct.Struct(">qhi")


class Content(NamedTuple):
    """A record, wherever it goes."""

    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes | None]]


class Packed:
    """A record batch by nobody; `contents` is what is in it."""

    __slots__ = ("contents", "data", "size")

    def __init__(self, contents: Sequence[Content], data: bytes, size: int) -> None:
        self.contents = contents
        self.data = data
        self.size = size  #: bytes before compression

    def signed(self, producer_id: int, epoch: int, sequence: int) -> bytes:
        """The batch as a producer writes it, which gives its first record that sequence number."""
        batch = bytearray(self.data)
        _writer.pack_into(batch, _WRITER, producer_id, epoch, sequence)
        _crc.pack_into(batch, _CRC, calc_crc32c(memoryview(batch)[_CHECKED:]))
        return bytes(batch)


def pack(contents: Sequence[Content], now_ms: int) -> list[Packed]:
    """All of these, in order, in as few batches as hold them."""
    packed: list[Packed] = []
    first, codec = 0, PLAIN if _small(contents) else ZSTD
    while first < len(contents):
        builder = DefaultRecordBatchBuilder(
            2, codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0,
            batch_size=MOST_BYTES,
        )  # fmt: skip
        count = 0
        for value, key, headers in contents[first:]:
            if builder.append(count, now_ms, key, value, headers) is None:
                break
            count += 1
        size = builder.size()
        packed.append(Packed(contents[first : first + count], bytes(builder.build()), size))
        first += count
    return packed


def _small(contents: Sequence[Content]) -> bool:
    """Of many that is not even asked."""
    return len(contents) < SMALL // 64 and sum([len(one.value or b"") for one in contents]) < SMALL


def by_partition(contents: Sequence[Content], partitions: int) -> dict[int, list[Content]]:
    """Which of a topic's partitions each goes to: by its key, or, those without one, together to any.

    As librdkafka's `consistent_random`, which all else is written by.
    """
    found: defaultdict[int, list[Content]] = defaultdict(list)
    anywhere = random.randrange(partitions)  # noqa: S311
    for content in contents:
        key = content.key
        found[zlib.crc32(key) % partitions if key else anywhere].append(content)
    return found
