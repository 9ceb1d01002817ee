"""Whose offsets a set holds, and sets that know how often."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import BitMap64

from streams.flight import Partition
from streams.headers import Tracking


class Account(NamedTuple):
    """One destination's part of one source partition. Records that are no event have destination ``""``."""

    destination: str
    replay: str | None
    topic: str
    partition: int

    @classmethod
    def of(cls, tracking: Tracking) -> "Account":
        return cls(tracking.destination, tracking.replay, tracking.source.topic, tracking.source.partition)

    @property
    def source(self) -> Partition:
        return Partition(self.topic, self.partition)


@dataclass(slots=True)
class Counted:
    """Offsets and how often each was counted: layer n holds those counted more than n times.

    Nearly all are counted once, so nearly all it takes is one bitmap.
    """

    layers: list[BitMap64] = field(default_factory=list)

    @property
    def offsets(self) -> BitMap64:
        """What was counted at all. Not to be changed."""
        return self.layers[0] if self.layers else BitMap64()

    def add(self, offsets: Sequence[int]) -> None:
        for distinct in _distinct(offsets):
            rest = distinct
            for layer in self.layers:
                again = layer & rest
                layer |= rest
                if not (rest := again):
                    break
            else:
                self.layers.append(BitMap64(rest))

    def remove(self, offsets: Sequence[int]) -> None:
        """Count each of these once less; what was not counted is passed over."""
        for distinct in _distinct(offsets):
            rest = BitMap64(distinct)
            for layer in reversed(self.layers):
                taken = layer & rest
                layer -= taken
                rest -= taken
        self._trim()

    def forget(self, offsets: BitMap64) -> None:
        """As if these had never been counted."""
        for layer in self.layers:
            layer -= offsets
        self._trim()

    def within(self, offsets: BitMap64) -> int:
        """How often those of these offsets were counted, together."""
        return sum(layer.intersection_cardinality(offsets) for layer in self.layers)

    def _trim(self) -> None:
        while self.layers and not self.layers[-1]:
            self.layers.pop()


def _distinct(offsets: Sequence[int]) -> Iterator[BitMap64]:
    """These offsets as sets: all of them, then those that come twice, and so on."""
    every = BitMap64(offsets)
    if not every:
        return
    yield every
    if len(every) < len(offsets):
        counts = Counter(offsets)
        for times in range(1, max(counts.values())):
            yield BitMap64(offset for offset, count in counts.items() if count > times)


def union(sets: Iterable[BitMap64]) -> BitMap64:
    found = BitMap64()
    for one in sets:
        found |= one
    return found
