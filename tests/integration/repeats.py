"""What was delivered more than once, and how much of that a crash may cause."""

from collections.abc import Iterator, Mapping

from streams import headers
from streams.flight import Partition, Record
from tests.integration.world import World


def repeated(world: World) -> int:
    """Deliveries beyond the first of each event at each destination."""
    return sum(count - 1 for count in world.there.taken().values())


def in_hand(
    world: World, held: frozenset[Partition], committed: Mapping[Partition, int], until: float
) -> int:
    """The most that may be repeated when whoever held these partitions is gone, at that (Unix) time:

        in flight + uncommitted
            = deliver records, at or beyond the committed offset, of events that had arrived
            + deliver records there were of inbound records at or beyond the committed offset

    Both grow with the rate and the commit interval, the first also with `in_flight`.
    """
    arrived = {(arrival.path, arrival.event) for arrival in world.there.arrivals() if arrival.at <= until}
    count = 0
    for name, record in _delivering(world):
        tracking = headers.read(record.headers, name)
        own = Partition(record.topic, record.partition)
        inbound = Partition(tracking.source.topic, tracking.source.partition)
        count += own in held and record.offset >= committed[own] and (name, tracking.event_id) in arrived
        routed_by_then = record.timestamp <= until * 1000
        count += inbound in held and tracking.source.offset >= committed[inbound] and routed_by_then
    return count


def _delivering(world: World) -> Iterator[tuple[str, Record]]:
    for name in world.names.destinations:
        for record in world.records(world.names.deliver(name)):
            yield name, record
