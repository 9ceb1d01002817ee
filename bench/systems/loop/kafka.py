"""The loop's side of Kafka: read in batches, write in batches, commit what is finished."""

import asyncio
import os
import sys
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

POLL = 1_000  #: records of one poll at most

CONSUMER = {"enable.auto.commit": False, "auto.offset.reset": "earliest"}
PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 5,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 1_000_000,
    "delivery.report.only.error": True,  # all is well when a flush ends and `lost` was not called
}


class Stretch:
    """Records of one partition that one poll brought; `left` of them are not finished."""

    __slots__ = ("left", "next_offset")

    def __init__(self, left: int, next_offset: int) -> None:
        self.left = left
        self.next_offset = next_offset


class Kafka:
    """The consumer, the producer, and what may be committed."""

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str]) -> None:
        servers = {"bootstrap.servers": bootstrap}
        self.consumer = Consumer({**CONSUMER, **servers, "group.id": group})
        self.consumer.subscribe(list(topics))
        self.producer = Producer({**PRODUCER, **servers, "on_delivery": lost})
        self.produce = self.producer.produce
        self.stretches: dict[tuple[str, int], deque[Stretch]] = defaultdict(deque)

    async def poll(self) -> list[tuple[str, list[Message], Stretch]]:
        """What has arrived, by partition; waits in a thread only when nothing has."""
        messages = self.consumer.consume(POLL, 0)
        if not messages:
            first = await asyncio.get_running_loop().run_in_executor(None, self.consumer.poll, 0.1)
            messages = [first, *self.consumer.consume(POLL, 0)] if first else []
        found: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in messages:
            if error := message.error():
                raise KafkaException(error)
            found[message.topic(), message.partition()].append(message)
        return [
            (topic, records, self._open(topic, part, records)) for (topic, part), records in found.items()
        ]

    def _open(self, topic: str, partition: int, records: list[Message]) -> Stretch:
        stretch = Stretch(len(records), records[-1].offset() + 1)
        self.stretches[topic, partition].append(stretch)
        return stretch

    def produce_all(self, topic: str, records: list[dict[str, Any]]) -> None:
        while self.producer.produce_batch(topic, records) < len(records):
            records = [record for record in records if record.pop("_error", None)]
            self.producer.poll(0.05)

    def commit(self) -> None:
        """Commit every finished prefix, once all that was produced so far is acknowledged."""
        offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), stretches in self.stretches.items()
            if (offset := finished(stretches))
        ]
        if offsets:
            if self.producer.flush(30):
                sys.exit("Kafka takes no records")
            self.consumer.commit(offsets=offsets, asynchronous=True)
        self.producer.poll(0)


def finished(stretches: deque[Stretch]) -> int:
    """Take the finished stretches off the head; the offset to commit, or 0."""
    offset = 0
    while stretches and not stretches[0].left:
        offset = stretches.popleft().next_offset
    return offset


def lost(error: object, message: Message) -> None:
    """A record could not be written: end at once, so that nothing more is committed."""
    sys.stderr.write(f"{message.topic()}: {error}\n")
    sys.stderr.flush()
    os._exit(1)
