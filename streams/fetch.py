"""The consumer's thread: aiokafka, with the settings Faust has none for, and a way around what it can't read.

aiokafka decodes header names as UTF-8 while it walks through a fetch, and Kafka does not ask that they
are. One such record makes the whole fetch raise; what was walked through by then, of other partitions too,
would be passed over at the next. So all positions are put back, and the stretch with the record is read
by librdkafka, which does not mind. The record itself goes on without its headers.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faust.transport.drivers import aiokafka as driver

from streams.flight import Partition, Record

log = logging.getLogger(__name__)
#: Faust logs its own life under the name of the subclass, unless it is told otherwise.
FAUST_LOG = logging.getLogger("faust.transport")

#: A fetch returns after this even if there is nothing; while it waits, partitions that became free
#: meanwhile are not fetched (aiokafka has one fetch per broker under way), so it bounds their latency.
FETCH_WAIT_MS = 100

Records = dict[TopicPartition, Sequence[Record]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread."""

    logger = FAUST_LOG

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Round robin moved 736 of 832 partitions when a ninth member joined, sticky 92.
        consumer._partition_assignment_strategy = [StickyPartitionAssignor]
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        # Else a partition whose fetched records wait for a window holds up its broker's next fetch 100 ms.
        self._consumer._fetcher._prefetch_backoff = 0

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Records:
        before = positions(consumer)
        try:
            return await super()._fetch_records(consumer, *args, **kwargs)  # type: ignore[no-any-return]
        except UnicodeDecodeError:
            return await self._read_around(consumer, before)

    async def _read_around(self, consumer: Any, before: dict[TopicPartition, int]) -> Records:
        """Put all positions back, and read the partition that could not be walked through another way."""
        unreadable = culprit(consumer)
        now = positions(consumer)
        for tp, position in before.items():
            if tp == unreadable or now.get(tp) != position:
                consumer.seek(tp, position)
        where = Partition(unreadable.topic, unreadable.partition)
        log.warning("record.header_not_utf8 topic=%s partition=%d from=%d", *where, before[unreadable])
        records = await asyncio.to_thread(self.app.read_plainly, where, before[unreadable])
        if not records:
            return {}
        consumer.seek(unreadable, records[-1].offset + 1)
        return {unreadable: records}


def positions(consumer: Any) -> dict[TopicPartition, int]:
    """The next offset to hand out, of every partition that has one."""
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription else None
    if assignment is None:
        return {}
    states = ((tp, assignment.state_value(tp)) for tp in assignment.tps)
    return {tp: state.position for tp, state in states if state.has_valid_position}


def culprit(consumer: Any) -> TopicPartition:
    """The partition whose fetched records raised: a generator that raised has no frame any more."""
    for tp, result in consumer._fetcher._records.items():
        walked = getattr(result, "_partition_records", None)
        if walked is not None and walked._records_iterator.gi_frame is None:
            return tp
    raise LookupError("no partition's records have raised")
