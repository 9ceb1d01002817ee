"""Brokers that keep logs as Kafka's do: by producer and sequence number, so that nothing is written twice."""

import asyncio
from collections import defaultdict, deque
from io import BytesIO

from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.record.default_records import DefaultRecordBatch

from streams.produce import Unanswered

#: What a producer last wrote to a partition: its epoch, and the first and the last number.
Numbers = tuple[int, int, int]


class Cluster:
    """What `streams.express` writes to. Every topic has `count` partitions, led by 1 or as `leaders` says."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.leaders: dict[str, int | None] = {}
        self.logs: defaultdict[str, list[bytes | None]] = defaultdict(list)  #: values, by topic/partition
        self.requests: list[tuple[int, bytes]] = []
        self.identities: list[int] = []
        self.learned = 0
        self.throttle_ms = 0
        #: Topic/partition -> error numbers, one for each batch; with `lost`, or `deaf`, it gets no answer.
        self.codes: defaultdict[str, deque[int]] = defaultdict(deque)
        #: The same, of batches that are written all the same.
        self.codes_after: defaultdict[str, deque[int]] = defaultdict(deque)
        self.leaves: set[str] = set()  #: topic/partition that has no leader once something is written
        #: For each request: raised before anything is written, or after.
        self.deaf: deque[Exception] = deque()
        self.lost: deque[Exception] = deque()
        self.no_identity: deque[Exception] = deque()
        self.not_there = 0  #: so often nobody is there when it is opened
        self.open_nodes: dict[int, asyncio.Event] = {}
        self._last: dict[tuple[str, int], Numbers] = {}

    async def open(self) -> None:
        if self.not_there:
            self.not_there -= 1
            raise Unanswered("KafkaConnectionError")

    async def close(self) -> None:
        """Nothing to close."""

    def partitions(self, topic: str) -> int:
        return self.count

    def leader(self, topic: str, partition: int) -> int | None:
        return self.leaders.get(f"{topic}/{partition}", 1)

    def learn(self) -> None:
        self.learned += 1

    async def identity(self) -> tuple[int, int]:
        if self.no_identity:
            raise self.no_identity.popleft()
        self.identities.append(1000 + len(self.identities))
        return self.identities[-1], 0

    async def produce(self, node: int, body: bytes) -> bytes:
        self.requests.append((node, body))
        if node in self.open_nodes:
            await self.open_nodes[node].wait()
        else:
            await asyncio.sleep(0)
        if self.deaf:
            raise self.deaf.popleft()
        asked = ProduceRequest_v7.decode(BytesIO(body))
        topics = [
            (
                topic,
                [
                    (partition, self._append(f"{topic}/{partition}", data), 0, -1, 0)
                    for partition, data in its
                ],
            )
            for topic, its in asked.topics
        ]
        if self.lost:
            raise self.lost.popleft()
        return bytes(ProduceResponse_v7(topics, self.throttle_ms).encode())

    def _append(self, place: str, data: bytes) -> int:
        if self.codes[place] and (code := self.codes[place].popleft()):
            return code
        batch = DefaultRecordBatch(data)
        assert batch.validate_crc()
        records = list(batch)
        last_of = self._last.get((place, batch.producer_id))
        first, last = batch.base_sequence, batch.base_sequence + len(records) - 1
        if last_of == (batch.producer_epoch, first, last):
            return 0  # it is here already
        if first != (last_of[2] + 1 if last_of else 0):
            return 45
        self._last[place, batch.producer_id] = batch.producer_epoch, first, last
        self.logs[place] += [record.value for record in records]
        if place in self.leaves:
            self.leaders[place] = None
        return self.codes_after[place].popleft() if self.codes_after[place] else 0
