"""Records as no client library of ours writes them: header names that are not UTF-8, times before 1970."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy as Builder
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.headers import Source
from streams.settings import Settings

LARGEST_BATCH = 1 << 19


class Raw(NamedTuple):
    """A record, byte for byte."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp_ms: int | None = None  #: None: now


def write(settings: Settings, partition: int, records: Sequence[Raw]) -> list[Source]:
    """Write records to a partition of the inbound topic, in one batch; where each of them is."""
    return asyncio.run(_write(settings, partition, records))


async def _write(settings: Settings, partition: int, records: Sequence[Raw]) -> list[Source]:
    topic, kafka = settings.inbound.topic, settings.kafka
    credentials = credentials_to_aiokafka_auth(kafka.faust_credentials())
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers(), **credentials)
    await producer.start()
    try:
        batch = _batch(records)
        written = await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()
    return [Source(topic, partition, written.offset + number) for number in range(len(records))]


def _batch(records: Sequence[Raw]) -> BatchBuilder:
    """aiokafka's batch, by its builder in Python: that in C takes nothing but proper text for a name."""
    batch = BatchBuilder(LARGEST_BATCH, 0)
    batch._builder = Builder(2, 0, 0, -1, -1, 0, LARGEST_BATCH)
    for record in records:
        headers: list[Any] = [(_Name(name), value) for name, value in record.headers]
        batch.append(timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=headers)
    return batch


class _Name:
    """A header's name, for which aiokafka asks as it asks a text."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def encode(self, _encoding: str) -> bytes:
        return self._name
