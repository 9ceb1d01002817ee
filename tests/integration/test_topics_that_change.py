"""Topics that grow, are missing or are made anew while workers run."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import NewPartitions, NewTopic

from tests.broker import Broker
from tests.integration.group import assert_all_committed, assignment, lag
from tests.integration.harness import World, assert_books_balance, track, wait_until, world

IMPATIENT = "tests.integration.impatient"


@pytest.fixture
def w(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[World]:
    with world(broker, prefix, tmp_path, {"crm": {}}) as made:
        yield made


def consumed(w: World, topic: str, partitions: int) -> bool:
    """Whether somebody consumes so many partitions of a topic."""
    return len({tp for held in assignment(w).values() for tp in held if tp.topic == topic}) == partitions


def events(name: str, count: int = 40) -> list[dict[str, object]]:
    return [track(f"{name}-{number}") for number in range(count)]


def test_partitions_that_are_added_are_consumed_from_their_start(w: World) -> None:
    w.start_worker(module=IMPATIENT)
    w.send(*events("before"))
    for topic in (w.inbound, w.names.deliver("crm")):
        w.admin.create_partitions([NewPartitions(topic, 6)])[topic].result(30)

    # Whether the worker or the producer is the first to notice
    numbers = itertools.count()
    while len({source.partition for source in w.sources}) < 6:
        number = next(numbers)
        w.send(track(f"grown-{number}"), key=f"key-{number}")

    assert_books_balance(w, once=True)
    assert consumed(w, w.inbound, 6)
    wait_until("the destination's are consumed, too", lambda: consumed(w, w.names.deliver("crm"), 6))
    assert_all_committed(w)


def test_a_destination_without_a_topic_holds_its_events_until_there_is_one(w: World) -> None:
    # The worker has made it at its start, and somebody has deleted it since.
    missing = w.names.deliver("crm")
    w.start_worker(module=IMPATIENT)
    w.admin.delete_topics([missing])[missing].result(30)
    w.send(*events("early"))
    wait_until("nobody consumes it", lambda: consumed(w, missing, 0))
    assert lag(w)

    w.admin.create_topics([NewTopic(missing, 2, 1)])[missing].result(30)

    assert_books_balance(w, once=True)
    assert_all_committed(w)


def test_a_topic_that_is_made_anew_is_read_from_its_start(w: World) -> None:
    # Given a topic whose events are all delivered and committed
    w.start_worker(module=IMPATIENT)
    w.send(*events("old", 200))
    assert_books_balance(w)
    assert_all_committed(w)

    # When it is deleted, and made anew once that has got about
    w.admin.delete_topics([w.inbound])[w.inbound].result(30)
    wait_until("nobody consumes it", lambda: consumed(w, w.inbound, 0))
    w.admin.create_topics([NewTopic(w.inbound, 2, 1)])[w.inbound].result(30)
    before = w.there.taken().total()
    w.send(*events("new", 300))

    # Then everything on the new one is delivered
    wait_until("all delivered", lambda: w.there.taken().total() >= before + 300)
    assert all(w.there.taken()["crm", f"new-{number}"] == 1 for number in range(300))
    assert_all_committed(w)
