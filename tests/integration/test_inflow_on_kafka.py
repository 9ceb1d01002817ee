"""What a real librdkafka makes of being paused and let go, and of being given its partitions anew."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams import backlog, inflow
from streams.inflow import Inflow
from tests.broker import Broker

PARTITIONS, EACH = 5, 4_000


class Counting(Consumer):  # type: ignore[misc]
    """librdkafka's, which says how often it was paused and let go."""

    paused, resumed, together = 0, 0, 0  #: the last: at most, at the same time

    def pause(self, partitions: Any) -> None:
        Counting.paused += len(partitions)
        Counting.together = max(Counting.together, Counting.paused - Counting.resumed)
        super().pause(partitions)

    def resume(self, partitions: Any) -> None:
        Counting.resumed += len(partitions)
        super().resume(partitions)


@pytest.fixture
def topic(broker: Broker, prefix: str) -> str:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    topic = f"{prefix}events"
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    return topic


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is plenty, so that a partition is paused again and again."""
    Counting.paused = Counting.resumed = Counting.together = 0
    monkeypatch.setattr(inflow, "Consumer", Counting)
    monkeypatch.setattr(inflow, "MOST_AT_ONCE", 100)
    for name, value in {"MOST": 40, "ENOUGH": 120, "FEW": 40, "FAR_TOO_MUCH": 1}.items():
        monkeypatch.setattr(backlog, name, value)


@asynccontextmanager
async def opened(broker: Broker, group: str) -> AsyncIterator[Inflow]:
    made = Inflow({"bootstrap.servers": broker.bootstrap_servers}, group)
    try:
        yield made
    finally:
        await made.close()


async def write(broker: Broker, topic: str, each: int) -> None:
    """`each` records to every partition, in bursts; a value is what number it is in its partition."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True})
    for number in range(each):
        for partition in range(PARTITIONS):
            producer.produce(topic, b"%d" % number, partition=partition)
        if number % 100 == 99:
            producer.poll(0)
            await asyncio.sleep(0.01)
    assert await asyncio.to_thread(producer.flush, 30) == 0


async def read(source: Inflow, wanted: Callable[[], set[Any]], count: int) -> dict[int, list[int]]:
    """The numbers of the next `count` records, by partition."""
    found: dict[int, list[int]] = defaultdict(list)
    async with asyncio.timeout(30):
        while sum(map(len, found.values())) < count:
            windows = wanted()
            for tp in windows:
                source.look_again(tp)
            for tp, records in (await source.take(windows, 0.01)).items():
                found[tp.partition] += [int(record.value or b"") for record in records]
    return found


@pytest.mark.usefixtures("small")
async def test_however_often_they_are_paused_every_record_of_every_partition_comes_once_and_in_order(
    broker: Broker, topic: str
) -> None:
    # Given windows that open and close in any order, some of them seldom
    chance = random.Random(4)
    every = [(topic, number) for number in range(PARTITIONS)]

    def open_windows() -> set[Any]:
        return {tp for tp in every if chance.random() < 1 / (1 + tp[1])}

    # When it is read while it is written
    async with opened(broker, topic) as source:
        await source.begin(every)
        writing = asyncio.ensure_future(write(broker, topic, EACH))
        found = await read(source, open_windows, PARTITIONS * EACH)
        await writing
        assert await source.take(set(every), 0.5) == {}

    # Then nothing is missing, and nothing came twice
    assert found == {number: list(range(EACH)) for number in range(PARTITIONS)}
    assert Counting.paused > 50
    assert Counting.resumed > 50


@pytest.mark.usefixtures("small")
async def test_one_is_always_read_on_so_that_those_that_are_let_go_do_not_wait_for_a_second(
    broker: Broker, topic: str
) -> None:
    # Given more of every partition than is wanted
    every = [(topic, number) for number in range(PARTITIONS)]
    await write(broker, topic, 1_000)
    async with opened(broker, topic) as source:
        await source.begin(every)
        async with asyncio.timeout(30):
            while Counting.together < PARTITIONS - 1:
                assert await source.take((), 0.01) == {}
        # When there is time for the last one, too
        for _ in range(100):
            assert await source.take((), 0.01) == {}
        assert Counting.together == PARTITIONS - 1

        found = await read(source, lambda: set(every), 1_000 * PARTITIONS)
    assert found == {number: list(range(1_000)) for number in range(PARTITIONS)}


@pytest.mark.usefixtures("small")
async def test_partitions_that_are_given_anew_begin_at_what_is_committed_though_they_were_paused(
    broker: Broker, topic: str
) -> None:
    # Given partitions of which one is committed, and most of which are paused: not that one, of which too
    # little is left, and not the last, for then nobody would run short
    every = [(topic, number) for number in range(PARTITIONS)]
    await write(broker, topic, 1_000)
    committing = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": topic})
    committing.commit(offsets=[TopicPartition(topic, 0, 900)], asynchronous=False)
    committing.close()
    async with opened(broker, topic) as source:
        for time in range(5):
            assert await source.begin(every) == {every[0]: 900}
            while Counting.paused < (time + 1) * (PARTITIONS - 2):
                await source.take((), 0.01)

        # When they are given once more
        await source.begin(every)
        found = await read(source, lambda: set(every), 100 + 1_000 * (PARTITIONS - 1))

    # Then each is read from where it is committed, to its end
    assert found.pop(0) == list(range(900, 1_000))
    assert found == {number: list(range(1_000)) for number in range(1, PARTITIONS)}
