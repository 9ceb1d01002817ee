"""As few partitions as possible move, whatever else is on the cluster."""

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

from aiokafka.structs import TopicPartition

from streams.assignor import Sticky

OURS = {f"deliver.{number}": 8 for number in range(6)}
TOPICS = OURS | {"somebody-elses": 8}
CLUSTER = SimpleNamespace(
    topics=lambda: set(TOPICS),
    partitions_for_topic=lambda topic: set(range(TOPICS[topic])) if topic in TOPICS else None,
)

Held = dict[str, list[TopicPartition] | None]


def assigned(held: Held, generations: dict[str, int] | None = None) -> dict[str, list[TopicPartition]]:
    """What each member gets, who held this until now (None: it is new)."""
    members: dict[str, Any] = {
        member: Sticky._metadata(shuffled(member), partitions, (generations or {}).get(member, 7))
        for member, partitions in held.items()
    }
    return {
        member: [TopicPartition(topic, number) for topic, numbers in given.assignment for number in numbers]
        for member, given in Sticky.assign(CLUSTER, members).items()
    }


def shuffled(member: str) -> list[str]:
    """The topics in an order of the member's own: in its process they are a set."""
    topics = [*OURS, "not-there-yet"]
    random.Random(member).shuffle(topics)
    return topics


def test_a_worker_that_joins_gets_its_share_and_little_else_moves() -> None:
    held: Held = {"a": None}
    for number, newcomer in enumerate("bcdefg", 2):
        before = assigned(held)
        after = assigned({**before, newcomer: None})

        stayed = sum(len(set(before[member]) & set(after[member])) for member in before)
        assert 48 - stayed <= 1.5 * len(after[newcomer])
        assert {len(given) for given in after.values()} <= {48 // number, -(-48 // number)}
        held = {**after}


def test_every_worker_gets_its_share_of_every_topic() -> None:
    held: Held = {"a": None}
    for newcomer in "bcdefg":
        held = {**assigned({**held, newcomer: None})}

        counts = [Counter(tp.topic for tp in given or ()) for given in held.values()]
        for topic in OURS:
            assert max(count[topic] for count in counts) - min(count[topic] for count in counts) <= 1


def test_what_a_worker_leaves_is_spread_too() -> None:
    held: Held = {**assigned({"a": None, "b": None, "c": None})}
    del held["b"]

    after = assigned(held)

    assert all(
        Counter(tp.topic for tp in given) == Counter(dict.fromkeys(OURS, 4)) for given in after.values()
    )


def test_what_a_worker_held_generations_ago_does_not_count_against_its_successor() -> None:
    everything = [TopicPartition(topic, number) for topic in OURS for number in range(8)]

    after = assigned({"a-thawed": everything, "b-successor": everything}, {"a-thawed": 3, "b-successor": 5})

    assert len(set(after["b-successor"])) == len(set(after["a-thawed"])) == 24
