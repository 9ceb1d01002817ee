"""What a real Kafka makes of batches that we have packed ourselves, in requests that we have written."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from confluent_kafka.admin import AdminClient, NewTopic

from streams import headers
from streams.brokers import Brokers
from streams.config import configfile
from streams.config.kafka import Connection
from streams.demo.broker import LocalKafka
from streams.express import Express
from streams.flight import Record
from streams.packing import Content, by_partition, pack
from streams.producer import Outgoing, Producer
from streams.scan import Scanner
from streams.verify import kafkas, rights
from streams.verify.cluster import Way
from tests.broker import Broker

PARTITIONS = 3
KNOWN: list[headers.Header] = [("trace", b"1"), ("nothing", None), ("distributary.event-id", b"e1")]


def contents(count: int, first: int = 0) -> list[Content]:
    return [Content(b"%d" % number, b"u%d" % (number % 20), KNOWN) for number in range(first, first + count)]


def create(servers: str, topics: list[str], **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    for done in admin.create_topics([NewTopic(one, PARTITIONS, 1, config=config) for one in topics]).values():
        done.result(30)


def read(servers: str, topic: str) -> list[Record]:
    scanner = Scanner({"bootstrap.servers": servers}, "reading")
    try:
        return [one for some in scanner.read({}, scanner.ends(scanner.partitions([topic]))) for one in some]
    finally:
        scanner.close()


def keys(found: list[Record]) -> set[tuple[bytes | None, int]]:
    """Every key, and where it is."""
    return {(one.key, one.partition) for one in found}


@asynccontextmanager
async def opened(connection: Connection, topics: list[str]) -> AsyncIterator[Express]:
    express = Express(Brokers(connection, "test-express", topics))
    express.open()
    try:
        async with asyncio.timeout(30):
            while not all(map(express.partitions, topics)):
                await asyncio.sleep(0.01)
        yield express
    finally:
        await express.close()


async def send(express: Express, topics: list[str], records: list[Content]) -> list[tuple[str, int]]:
    """Where what is given back should have gone."""
    now_ms = int(time.time() * 1000)  # a broker that starts forgets producers whose batches are a day old
    packed = [
        (topic, partition, one)
        for partition, its in by_partition(records, PARTITIONS).items()
        for one in pack(its, now_ms)
        for topic in topics
    ]
    return [(copy.topic, copy.partition) for copy in await express.send(packed)]


async def test_every_topic_has_what_was_packed_once_and_where_others_would_write_it(
    broker: Broker, prefix: str
) -> None:
    servers, topics = broker.bootstrap_servers, [f"{prefix}{name}" for name in ("a", "b", "by-others")]
    create(servers, topics)
    records = contents(500)
    async with opened(Connection(bootstrap_servers=servers), topics[:2]) as express:
        assert await send(express, topics[:2], records) == []
    producer = Producer({"bootstrap.servers": servers})
    await producer.send([Outgoing(topics[2], *content) for content in records])
    await producer.close()

    one, two, other = (read(servers, topic) for topic in topics)
    assert sorted(Content(found.value, found.key, list(found.headers)) for found in one) == sorted(records)
    places = [[(found.partition, found.offset, found.key, found.value) for found in it] for it in (one, two)]
    assert sorted(places[0]) == sorted(places[1])
    assert {(found.key, found.partition) for found in one} == {
        (found.key, found.partition) for found in other
    }


async def test_what_is_too_large_for_its_topic_is_given_back_and_the_rest_is_written(
    broker: Broker, prefix: str
) -> None:
    servers, small, large = broker.bootstrap_servers, f"{prefix}small", f"{prefix}large"
    create(servers, [small], **{"max.message.bytes": "2000"})
    create(servers, [large])
    noise = random.Random(1)
    big = Content(noise.randbytes(5000), b"u1", [])
    async with opened(Connection(bootstrap_servers=servers), [small, large]) as express:
        [(topic, partition)] = await send(express, [small, large], [big])
        assert topic == small
        assert await send(express, [small, large], contents(100)) == []

    assert len(read(servers, small)) == 100
    assert len(read(servers, large)) == 101
    assert 0 <= partition < PARTITIONS


async def test_a_broker_that_stops_or_dies_makes_nothing_be_written_twice(own_broker: LocalKafka) -> None:
    servers, topics = own_broker.bootstrap_servers, ["a", "b"]
    create(servers, topics)
    written, ended = 0, asyncio.Event()

    async with opened(Connection(bootstrap_servers=servers), topics) as express:

        async def load() -> None:
            nonlocal written
            while not ended.is_set():
                assert await send(express, topics, contents(20, first=written)) == []
                written += 20

        async def enough(more: int) -> None:
            upto = written + more
            while written < upto:
                assert not loading.done(), loading.result()
                await asyncio.sleep(0.01)

        loading = asyncio.create_task(load())
        for end in (own_broker.stop, own_broker.kill):
            await asyncio.wait_for(enough(500), 60)
            await asyncio.to_thread(end)
            await asyncio.to_thread(own_broker.start)
        await asyncio.wait_for(enough(500), 60)
        ended.set()
        await loading

    expected = Counter(b"%d" % number for number in range(written))
    for topic in topics:
        assert Counter(found.value for found in read(servers, topic)) == expected


async def test_with_tls_a_password_and_no_right_it_is_given_back_until_there_is_one(
    tmp_path: Path, prefix: str
) -> None:
    cluster = kafkas.one(tmp_path)
    try:
        topics = [f"{prefix}open", f"{prefix}shut"]
        servers = cluster.connection["bootstrap_servers"]
        create(servers, topics)
        admin = AdminClient({"bootstrap.servers": servers})
        rights.allow_everything(admin, prefix)
        rights.forbid_writing(admin, [topics[1]])
        way = configfile.parse(yaml.safe_dump(dict(cluster.ways[Way.USER])), "kafka.yaml", {})
        async with opened(Connection.model_validate(way.data), topics) as express:
            assert {topic for topic, _ in await send(express, topics, contents(100))} == {topics[1]}
            rights.allow_writing(admin, [topics[1]])
            async with asyncio.timeout(30):
                while await send(express, [topics[1]], contents(1)):
                    await asyncio.sleep(0.1)
        assert [len(read(servers, topic)) for topic in topics] == [100, 1]
    finally:
        cluster.end()
