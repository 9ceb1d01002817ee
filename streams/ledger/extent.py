"""How far everything has come, looked at in the order that makes the sums exact on a running system.

First how far the inbound topic is committed and the end of what was noted of it (`routed`), then how far
everyone has come (committed offsets), then the ends of all topics. A record that moves between topics
meanwhile is still found, because a worker commits only after the next record is durable.
"""

from dataclasses import dataclass

from streams.flight import Partition
from streams.scan import Offsets, Scanner
from streams.topics import Names


@dataclass(frozen=True)
class Extent:
    """Offsets by partition."""

    #: Where the topics that are read whole (routed, attempts, dlq) begin and end.
    lows: Offsets
    highs: Offsets
    #: The inbound topic.
    starts: Offsets
    committed: Offsets
    ends: Offsets
    #: Deliver and delay topics: the first record not finished, and the end.
    unfinished: Offsets
    moving: Offsets


def look(scanner: Scanner, inbound: str, names: Names) -> Extent:
    """Look at the offsets in the order that the module's text explains."""
    there = scanner.topics()
    arriving = there.partitions([inbound])
    # By name, not by config: what was left on the topic of a removed destination or tier is still there.
    moving = there.beginning_with(names.deliver(""), names.delay(""))
    routed, others = there.partitions([names.routed]), there.partitions([names.attempts, names.dlq])
    committed = scanner.committed(arriving)
    noted = scanner.ends(routed)
    come = scanner.committed(moving)
    ends = scanner.ends([*arriving, *moving, *others])
    starts = scanner.starts([*arriving, *moving, *routed, *others])
    return Extent(
        lows={tp: starts[tp] for tp in (*routed, *others)},
        highs=dict(noted) | {tp: ends[tp] for tp in others},
        starts={tp: starts[tp] for tp in arriving},
        committed=committed,
        ends={tp: ends[tp] for tp in arriving},
        unfinished={tp: max(come[tp], starts[tp]) for tp in moving},
        moving={tp: ends[tp] for tp in moving},
    )


def tier_of(tp: Partition, names: Names) -> str | None:
    """The tier of a delay topic's partition; None: a deliver topic's."""
    prefix = names.delay("")
    return tp.topic.removeprefix(prefix) if tp.topic.startswith(prefix) else None
