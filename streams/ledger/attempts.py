"""Of recorded attempts only what the sums need: source offsets by what counts alike."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from streams import attempts
from streams.attempts import Outcome
from streams.decoding.undecodable import Undecodable


class Kind(NamedTuple):
    """What attempts have in common that count alike."""

    destination: str
    source_topic: str
    source_partition: int
    replay: str | None
    attempt: int
    outcome: Outcome
    ambiguous: bool
    #: Of redriven ones: where in the dlq it was.
    reason: str | None


@dataclass(slots=True)
class Attempts:
    """Records of attempts, gathered until somebody asks."""

    _offsets: defaultdict[Kind, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, value: bytes | None) -> None:
        """Take the value of one record; what has no attempts is passed over."""
        try:
            groups = attempts.groups(value)
        except Undecodable:
            return
        for group in groups:
            kind = Kind(
                group["destination"], group["source_topic"], group["source_partition"], group["replay"],
                group["attempt"], Outcome(group["outcome"]), group["ambiguous"], group["reason"],
            )  # fmt: skip
            offsets = [event["source_offset"] for event in group["events"]]
            if offsets and min(offsets) < 0:  # more than Kafka counts
                offsets = [offset for offset in offsets if offset >= 0]
            if offsets:
                self._offsets[kind] += offsets

    def take(self) -> Iterator[tuple[Kind, list[int]]]:
        """What was gathered; it is empty afterwards."""
        offsets, self._offsets = self._offsets, defaultdict(list)
        yield from offsets.items()
