"""How much a fault may make be delivered twice: the bound, as a formula.

For each strike (a worker killed or frozen, a broker gone), with the committed offsets and the ends of
all topics as they were then:

    what the group had in hand
        = deliver records from the committed offset to the end, of events that had arrived
        + events at destinations that were routed from inbound records from the committed offset to the end
        + delay records from the committed offset to the end that were due
        + of a worker that was frozen, and goes on: requests begun that had not arrived, of each destination
          at most its `in_flight`; and all inbound records from the committed offset on count as routed

and for a whole run

    duplicates <= sum over strikes of what was in hand
                  + answers of success that came after the timeout (nobody can tell these from no answer)

Each term is work that was begun and not committed, so another does it again, once. Without a strike
nothing may be repeated: stopping, starting and rebalancing repeat nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.flight import Partition
from streams.headers import Source
from streams.scan import Offsets
from streams.verify.destination import Arrival
from streams.verify.topics import Topics, Tracked, Way

#: A request that arrives so long after a strike was still under way; heirs begin later than this.
ON_THE_WIRE_S = 1.0


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault, how far everything was committed when it came, and what there was beyond."""

    what: str
    committed: Offsets
    ends: Offsets
    until: float  #: Unix time: what has begun by then may be in hand
    #: What is in hand is gone on with later, begun or not, by all without a broker. `ends` are of then.
    holds: bool = False
    #: Records that are not in the group's hands: put on topics by a replay, and not noted.
    others: int = 0
    #: By deliver topic, the most requests that a frozen worker goes on with, not on the wire when it froze.
    unsent: Mapping[str, int] = field(default_factory=dict)


def bound(strikes: Iterable[Strike], topics: Topics, arrivals: Sequence[Arrival], timeout_s: float) -> int:
    """The most duplicates there may be."""
    first: dict[tuple[str, str], float] = {}
    for arrival in arrivals:
        first.setdefault((arrival.to, arrival.event), arrival.at)
    late = sum(arrival.taken and arrival.answered - arrival.at >= timeout_s for arrival in arrivals)
    return late + sum(in_hand(strike, topics, first) + strike.others for strike in strikes)


def in_hand(strike: Strike, topics: Topics, first: Mapping[tuple[str, str], float]) -> int:
    """What the group had begun and not committed."""
    there = [one for one in topics.deliver if _open(one, strike)]
    begun = [one for one in there if strike.holds or first.get(_key(one), float("inf")) <= strike.until]
    left = Counter(one.record.topic for one in there) - Counter(one.record.topic for one in begun)
    unsent = sum(min(count, strike.unsent.get(topic, 0)) for topic, count in left.items())
    routing = {Way.of(one.tracking) for one in topics.deliver if _routing(one, strike)}
    releasing = sum(
        _open(one, strike) and (one.tracking.due_ms or 0) <= strike.until * 1000 for one in topics.delay
    )
    return len(begun) + unsent + len(routing) + releasing


def counted(arrivals: Iterable[Arrival]) -> dict[tuple[str, str], int]:
    """How often each destination took each event."""
    found: dict[tuple[str, str], int] = {}
    for arrival in arrivals:
        if arrival.taken:
            found[arrival.to, arrival.event] = found.get((arrival.to, arrival.event), 0) + 1
    return found


def _within(strike: Strike, topic: str, partition: int, offset: int) -> bool:
    place = Partition(topic, partition)
    return strike.committed.get(place, 0) <= offset < strike.ends.get(place, 0)


def _open(one: Tracked, strike: Strike) -> bool:
    """It was there, and not committed."""
    return _within(strike, one.record.topic, one.record.partition, one.record.offset)


def _routing(one: Tracked, strike: Strike) -> bool:
    """It was routed then, or will be again by whoever holds the inbound record."""
    tracking, record = one.tracking, one.record
    if tracking.attempt or tracking.replay is not None:
        return False
    there = record.offset < strike.ends.get(Partition(record.topic, record.partition), 0)
    return (there or strike.holds or bool(strike.unsent)) and _within(strike, *_place(tracking.source))


def _place(source: Source) -> tuple[str, int, int]:
    return source.topic, source.partition, source.offset


def _key(one: Tracked) -> tuple[str, str]:
    return one.tracking.destination, one.tracking.event_id
