"""Who consumes which partition: when a worker comes or goes, as few as possible change hands.

Round robin moved 736 of 832 partitions when a ninth worker joined, the sticky assignor of aiokafka 92,
which is its share. Some things had to be mended for that, and one added: it balances how many partitions a
worker has, and may give all of one topic to one worker. Two workers would then deliver like one.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.structs import TopicPartition

Shares = Mapping[str, set[TopicPartition]]


class Subscribed:
    """A cluster as if it had nothing but the topics that somebody subscribes to."""

    def __init__(self, cluster: Any, members: Mapping[str, Any]) -> None:
        self._topics = {topic for member in members.values() for topic in member.subscription}
        self.partitions_for_topic = cluster.partitions_for_topic

    def topics(self) -> set[str]:
        return self._topics


class Sticky(StickyPartitionAssignor):
    """aiokafka's sticky assignor.

    * Another topic in the cluster, or the same topics in another order, make it think that its members
      differ in what they can consume; then it moves more than it has to: 20 of 48 partitions to a third
      worker, not 16. So it sees only our topics, in order.
    * Nobody tells it the generation (`on_generation_assignment`; the consumer's thread does), so that the
      claims of a worker that was frozen meanwhile would count as much as those of its successor.
    """

    @classmethod
    def assign(cls, cluster: Any, members: Mapping[str, Any]) -> Any:
        given = super().assign(Subscribed(cluster, members), members)
        shares = {
            member: {TopicPartition(topic, number) for topic, numbers in one.assignment for number in numbers}
            for member, one in given.items()
        }
        held = {name: set(cls.parse_member_metadata(known).partitions) for name, known in members.items()}
        spread(shares, held)
        return {
            member: ConsumerProtocolMemberAssignment(one.version, _by_topic(shares[member]), one.user_data)
            for member, one in given.items()
        }

    @classmethod
    def parse_member_metadata(cls, metadata: Any) -> Any:
        parsed = super().parse_member_metadata(metadata)
        return parsed._replace(subscription=sorted(parsed.subscription))


def spread(shares: Shares, held: Shares) -> None:
    """Swap partitions until no worker has two more of a topic than another; each keeps its total.

    Every swap makes the sum of the squares of their counts smaller, so there is a last one. Of what could
    be swapped that goes first which comes back to who held it.
    """
    counts = {member: Counter(tp.topic for tp in share) for member, share in shares.items()}
    for topic in sorted({tp.topic for share in shares.values() for tp in share}):
        while swap := _swap(topic, shares, held, counts):
            give, take, most, least = swap
            for tp, source, target in ((give, most, least), (take, least, most)):
                shares[source].remove(tp)
                shares[target].add(tp)
                counts[source][tp.topic] -= 1
                counts[target][tp.topic] += 1


def _swap(
    topic: str, shares: Shares, held: Shares, counts: Mapping[str, Counter[str]]
) -> tuple[TopicPartition, TopicPartition, str, str] | None:
    """What the one with the most of a topic gives for what, and to whom; None: it is spread."""
    most = max(shares, key=lambda member: counts[member][topic])
    few = [member for member in sorted(shares) if counts[member][topic] < counts[most][topic] - 1]
    if not few:
        return None
    here = {tp for tp in shares[most] if tp.topic == topic}
    least = max(few, key=lambda member: (len(here & held[member]), -counts[member][topic]))
    others = {other for other in counts[least] if counts[least][other] > counts[most][other]}
    if not others:
        return None
    give = _choose(here, held[least], held[most])
    take = _choose([tp for tp in shares[least] if tp.topic in others], held[most], held[least])
    return give, take, most, least


def _choose(there: Collection[TopicPartition], wanted: set[TopicPartition], kept: set[TopicPartition]) -> Any:
    """One that the other held, if there is any; else one that this one did not hold."""
    return max(sorted(there), key=lambda tp: (tp in wanted, tp not in kept))


def _by_topic(share: set[TopicPartition]) -> list[tuple[str, list[int]]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for tp in sorted(share):
        found[tp.topic].append(tp.partition)
    return sorted(found.items())
