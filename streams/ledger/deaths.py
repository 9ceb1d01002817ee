"""Which dlq records count: those that no note says were brought back, whichever was read first."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import BitMap64

from streams.ledger.accounts import Account


class Cause(NamedTuple):
    """Who missed an event, and why."""

    account: Account
    reason: str


@dataclass(slots=True)
class Shelf:
    """One partition of the dlq: the places of its records, ascending, and what died there. 20 bytes each."""

    places: "array[int]" = field(default_factory=lambda: array("q"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    causes: "array[int]" = field(default_factory=lambda: array("I"))

    def at(self, place: int) -> int | None:
        index = bisect_left(self.places, place)
        return index if index < len(self.places) and self.places[index] == place else None

    def cut(self, start: int) -> None:
        """Forget what is in front of this place."""
        index = bisect_left(self.places, start)
        del self.places[:index], self.offsets[:index], self.causes[:index]


@dataclass(slots=True)
class Deaths:
    """The dlq, by partition."""

    shelves: defaultdict[int, Shelf] = field(default_factory=lambda: defaultdict(Shelf))
    redriven: defaultdict[int, BitMap64] = field(default_factory=lambda: defaultdict(BitMap64))
    causes: list[Cause] = field(default_factory=list)
    _numbers: dict[Cause, int] = field(default_factory=dict)

    def died(self, partition: int, place: int, cause: Cause, offset: int) -> bool:
        """A record of the dlq, in the order of its partition. Whether it counts: it was not brought back."""
        if place in self.redriven[partition]:
            return False
        shelf = self.shelves[partition]
        shelf.places.append(place)
        shelf.offsets.append(offset)
        shelf.causes.append(self._number(cause))
        return True

    def brought_back(self, partition: int, place: int) -> tuple[Cause, int] | None:
        """What counts no more; None if it was not counted, or is noted for the second time."""
        if place in self.redriven[partition]:
            return None
        self.redriven[partition].add(place)
        shelf = self.shelves[partition]
        index = shelf.at(place)
        return None if index is None else (self.causes[shelf.causes[index]], shelf.offsets[index])

    def cut(self, starts: dict[int, int]) -> None:
        """Forget what the dlq itself holds no more; `starts`: its first offsets."""
        for partition, start in starts.items():
            self.shelves[partition].cut(start)
            self.redriven[partition].remove_range(0, start)

    def restore(self, causes: Iterator[Cause]) -> None:
        for cause in causes:
            self._number(cause)

    def _number(self, cause: Cause) -> int:
        number = self._numbers.setdefault(cause, len(self.causes))
        if number == len(self.causes):
            self.causes.append(cause)
        return number
