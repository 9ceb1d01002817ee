"""The ledger in a file, so that the next process goes on where this one ended.

    distributary-ledger 2      the format; a file of another is not read
    <SHA-256, 32 bytes>        of what follows
    <zlib>                     8 bytes: how long the index is; the index (JSON); the bitmaps, end to end

In the index a bitmap is its number among the lengths that the index begins with. A file is written beside
the old one and takes its place when it is on the disk: whoever is killed meanwhile leaves the old one.
"""

import errno
import hashlib
import os
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pyroaring import BitMap64

from streams.flight import Partition
from streams.ledger.accounts import Account, Counted
from streams.ledger.deaths import Cause, Deaths, Shelf
from streams.ledger.entries import Entry
from streams.ledger.keeper import Ledger

HEAD = b"distributary-ledger 2\n"
_BEGINNING = b"distributary-ledger "
_DIGEST, _LENGTH = 32, 8

#: The parts of an entry. Where its events are now (`queued`, `waiting`) is read from the topics.
_PLAIN = ("routed", "first", "brought_back")
_COUNTED = ("delivered", "attempts", "ambiguous")


class Unreadable(Exception):
    """The file holds no ledger of this format; the text says why."""


class Foreign(Unreadable):
    """It holds no ledger, and is left as it is"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def save(ledger: Ledger, file: Path) -> None:
    """Write the ledger. Raises Foreign, and OSError; the old file is then as it was.

    A ledger takes the place of a ledger only. The first version put one in the place of /dev/null.
    """
    if file.exists() and not (file.is_file() and _ours(_head(file))):
        raise Foreign
    content, file = dump(ledger), file.resolve()
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(file.absolute().parent)


def _sync_folder(folder: Path) -> None:
    """The new name must outlast a power cut, too."""
    there = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(there)
    finally:
        os.close(there)


def load(file: Path) -> Ledger | None:
    """The ledger in a file; None if there is no file. Raises Unreadable, and OSError."""
    if not file.exists():
        return None
    if not file.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    return parse(file.read_bytes())


def _head(file: Path) -> bytes:
    with file.open("rb") as there:
        return there.read(len(HEAD))


def _ours(content: bytes) -> bool:
    """Whether these are the first bytes of a ledger, of any format, or as much as was written of them."""
    length = min(len(content), len(_BEGINNING))
    return content[:length] == _BEGINNING[:length]


def dump(ledger: Ledger) -> bytes:
    bitmaps: list[bytes] = []

    def put(offsets: BitMap64) -> int:
        offsets.run_optimize()
        bitmaps.append(offsets.serialize())
        return len(bitmaps) - 1

    entries = ledger.entries
    index = {
        "identity": ledger.identity,
        "since_ms": ledger.since_ms,
        "cursors": [[*tp, offset] for tp, offset in ledger.cursors.items()],
        "accounts": [[*account, _entry(entry, put)] for account, entry in entries.of.items()],
        "noted": [[*tp, put(offsets)] for tp, offsets in entries.noted.items()],
        "marks": [[*tp, sorted(hours.items())] for tp, hours in entries.marks.items()],
        "minutes": [
            [*tp, [[minute, put(there)] for minute, there in sorted(found.items())]]
            for tp, found in entries.minutes.of.items()
        ],
        "deaths": _deaths(entries.deaths, put),
        "holes": [[*tp, put(offsets)] for tp, offsets in ledger.gaps.holes.items()],
        "lost": [[*tp, sorted(found.items())] for tp, found in ledger.gaps.lost.items()],
    }
    text = orjson.dumps({"bitmaps": [len(one) for one in bitmaps], **index})
    body = zlib.compress(len(text).to_bytes(_LENGTH, "big") + text + b"".join(bitmaps), 1)
    return HEAD + hashlib.sha256(body).digest() + body


def _entry(entry: Entry, put: Callable[[BitMap64], int]) -> dict[str, Any]:
    return {
        "hour": entry.hour,
        **{name: put(getattr(entry, name)) for name in _PLAIN},
        **{name: _layers(getattr(entry, name), put) for name in _COUNTED},
        "filtered": {rule: put(offsets) for rule, offsets in entry.filtered.items()},
        "dead": {reason: _layers(found, put) for reason, found in entry.dead.items()},
    }


def _layers(counted: Counted, put: Callable[[BitMap64], int]) -> list[int]:
    return [put(layer) for layer in counted.layers]


def _deaths(deaths: Deaths, put: Callable[[BitMap64], int]) -> dict[str, Any]:
    return {
        "causes": [[*cause.account, cause.reason] for cause in deaths.causes],
        "shelves": [
            [partition, shelf.places.tolist(), shelf.offsets.tolist(), shelf.causes.tolist()]
            for partition, shelf in deaths.shelves.items()
        ],
        "redriven": [[partition, put(places)] for partition, places in deaths.redriven.items()],
    }


# -- reading -------------------------------------------------------------------------------------


def parse(content: bytes) -> Ledger:
    """The ledger that `dump` wrote. Raises Unreadable; never returns half of one."""
    if not _ours(content):
        raise Foreign
    if not content.startswith(HEAD):
        version, newline, _ = content[len(_BEGINNING) : 40].partition(b"\n")
        known = newline and version.isalnum()
        raise Unreadable(f"it is of format {version.decode()}" if known else "it was cut off or changed")
    digest, body = content[len(HEAD) :][:_DIGEST], content[len(HEAD) + _DIGEST :]
    if hashlib.sha256(body).digest() != digest:
        raise Unreadable("it was cut off or changed")
    try:
        return _ledger(zlib.decompress(body))
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise Unreadable(f"what it holds makes no sense: {type(error).__name__}") from None


def _ledger(plain: bytes) -> Ledger:
    start = _LENGTH + int.from_bytes(plain[:_LENGTH], "big")
    index = orjson.loads(plain[_LENGTH:start])
    bitmaps = []
    for length in index["bitmaps"]:
        bitmaps.append(BitMap64.deserialize(plain[start : start + length]))
        start += length
    ledger = Ledger(index["identity"], since_ms=index["since_ms"])
    ledger.cursors = {Partition(topic, number): offset for topic, number, offset in index["cursors"]}
    entries = ledger.entries
    for *account, entry in index["accounts"]:
        _restore(entries.of[Account(*account)], entry, bitmaps)
    for topic, number, offsets in index["noted"]:
        entries.noted[Partition(topic, number)] = bitmaps[offsets]
    for topic, number, hours in index["marks"]:
        entries.marks[Partition(topic, number)] = dict(hours)
    for topic, number, found in index["minutes"]:
        entries.minutes.of[Partition(topic, number)] = {minute: bitmaps[one] for minute, one in found}
    for topic, number, offsets in index["holes"]:
        ledger.gaps.holes[Partition(topic, number)] = bitmaps[offsets]
    for topic, number, lost in index["lost"]:
        ledger.gaps.lost[Partition(topic, number)] = dict(lost)
    _restore_deaths(entries.deaths, index["deaths"], bitmaps)
    return ledger


def _restore(entry: Entry, index: Mapping[str, Any], bitmaps: Sequence[BitMap64]) -> None:
    def counted(layers: Sequence[int]) -> Counted:
        return Counted([bitmaps[number] for number in layers])

    entry.hour = index["hour"]
    for name in _PLAIN:
        setattr(entry, name, bitmaps[index[name]])
    for name in _COUNTED:
        setattr(entry, name, counted(index[name]))
    entry.filtered.update({rule: bitmaps[number] for rule, number in index["filtered"].items()})
    entry.dead.update({reason: counted(layers) for reason, layers in index["dead"].items()})


def _restore_deaths(deaths: Deaths, index: Mapping[str, Any], bitmaps: Sequence[BitMap64]) -> None:
    deaths.restore(Cause(Account(*account), reason) for *account, reason in index["causes"])
    for partition, places, offsets, causes in index["shelves"]:
        deaths.shelves[partition] = Shelf(array("q", places), array("q", offsets), array("I", causes))
    for partition, places in index["redriven"]:
        deaths.redriven[partition] = bitmaps[places]
