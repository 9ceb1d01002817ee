"""The consumer's thread: aiokafka, with the settings Faust has none for, and a way around what it can't read.

aiokafka decodes header names as UTF-8 while it walks through a fetch, and Kafka does not ask that they
are. One such record makes the whole fetch raise; what was walked through by then, of other partitions too,
would be passed over at the next. So these positions are put back, and the stretch with the record is read
by librdkafka, which does not mind. The record itself goes on without its headers.
"""

import asyncio
import logging
import time
from collections.abc import Container, Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from faust.transport.drivers import aiokafka as driver

from streams.assignor import Sticky
from streams.coordinator import Coordinator
from streams.flight import Partition, Record

log = logging.getLogger(__name__)
#: Faust logs its own life under the name of the subclass, unless it is told otherwise.
FAUST_LOG = logging.getLogger("faust.transport")

#: A fetch returns after this even if there is nothing; while it waits, partitions that became free
#: meanwhile are not fetched (aiokafka has one fetch per broker under way), so it bounds their latency. With
#: 100 ms the p99 of a destination was 46 ms beside three dead ones, and 18 ms alone.
FETCH_WAIT_MS = 10
#: A fetch costs about 10 us of CPU for each partition assigned: so that waiting is never work.
FETCH_WAIT_PER_PARTITION_MS = 0.1
#: aiokafka asks a broker for more only when all that came of it was taken, or lay for this long. Without any
#: patience it asks at once, for all but the partitions that something just came of: these then wait for
#: up to FETCH_WAIT_MS. With its own 100 ms one full window holds up all partitions of that broker.
TAKEN_WITHIN_S = 0.005
#: How long a stop may take to finish what the thread was asked for, and to leave the group.
LEAVE_S = 5.0

Records = dict[TopicPartition, Sequence[Record]]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread."""

    logger = FAUST_LOG
    _looks = 0  #: how often a window got room
    _waiter: "asyncio.Future[None] | None" = None  #: what a fetch under way waits for

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not uvloop, which raises when aiokafka writes to a connection that was closed a moment ago; asyncio
        # says nothing, and aiokafka learns of it later. At a flaky network such a worker ended by itself.
        super().__init__(*args, thread_loop=asyncio.SelectorEventLoop(), **kwargs)
        self._close_thread_loop_on_stop = True

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = [Sticky]
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        Coordinator(self._consumer._coordinator, self.consumer.standing)
        self._consumer._fetcher._prefetch_backoff = TAKEN_WITHIN_S

    async def on_thread_stop(self) -> None:
        """Leave the group, if the broker answers in time; the process must end in any case.

        Without a broker aiokafka raises its own cancellation here, the thread dies of it, and Faust
        waits for the thread for ever.
        """
        try:
            async with asyncio.timeout(LEAVE_S):
                await super().on_thread_stop()
        except (Exception, asyncio.CancelledError) as error:
            log.warning("consumer.left_in_disorder error=%s", type(error).__name__)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        Sticky.on_generation_assignment(generation_id)
        self._consumer._fetcher._fetch_max_wait_ms = fetch_wait_ms(len(assigned))
        await super().on_partitions_assigned(assigned, generation_id)

    async def _fetch_records(
        self,
        consumer: Any,
        wanted: Any,
        timeout: float,  # noqa: ASYNC109
        max_records: int,
    ) -> Records:
        """What is there of these partitions, or comes within `timeout` seconds.

        aiokafka would take what comes after a rebalance for a fetch that was asked for before it, and
        move on. So it is let take only what is there at once, at a moment when nothing came between.
        """
        deadline = time.monotonic() + timeout
        while not self._overtaken(consumer):
            looks, before = self._looks, positions(consumer, consumer._fetcher._records)
            try:
                records = await super()._fetch_records(consumer, wanted, 0, max_records)
            except UnicodeDecodeError:
                return await self._read_around(consumer, before)
            hold_up_nobody(consumer._fetcher, wanted)
            if records or not await self._arrival(consumer, looks, deadline - time.monotonic()):
                return records  # type: ignore[no-any-return]
        return {}

    async def _arrival(self, consumer: Any, looks: int, within_s: float) -> bool:
        """Wait until anything was fetched or a window has room; whether it was or has.

        Raises what the broker refuses.
        """
        if within_s <= 0:
            return False
        self._waiter = waiter = consumer._fetcher._create_fetch_waiter()
        if looks != self._looks:
            self._end_wait()
        done, _ = await asyncio.wait([waiter], timeout=within_s)
        self._waiter = None
        if not done:
            waiter.cancel()
            return False
        waiter.result()
        return True

    def look_again(self) -> None:
        """A window has room again, and what was fetched for it may lie ready. Called on any thread."""
        self._looks += 1
        if self._waiter is not None:
            self.thread_loop.call_soon_threadsafe(self._end_wait)

    def _end_wait(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _overtaken(self, consumer: Any) -> bool:
        return bool(self.consumer.overtaken or consumer._subscription.reassignment_in_progress)

    async def _read_around(self, consumer: Any, before: dict[TopicPartition, int]) -> Records:
        """Put all positions back, and read the partition that could not be walked through another way."""
        unreadable = culprit(consumer)
        now = positions(consumer, before)
        for tp, position in before.items():
            if tp == unreadable or now.get(tp) != position:
                consumer.seek(tp, position)
        where = Partition(unreadable.topic, unreadable.partition)
        log.warning("record.header_not_utf8 topic=%s partition=%d from=%d", *where, before[unreadable])
        records = await asyncio.to_thread(self.app.read_plainly, where, before[unreadable])
        if not records or self._overtaken(consumer):
            return {}
        consumer.seek(unreadable, records[-1].offset + 1)
        return {unreadable: records}


def hold_up_nobody(fetcher: Any, wanted: Container[TopicPartition]) -> None:
    """What lies ready for a full window is not taken soon: aiokafka need not wait for that to ask for more.

    It waits TAKEN_WITHIN_S for each that comes, and beside destinations that never answer much of it does.
    """
    left = [one for tp, one in fetcher._records.items() if one._backoff and tp not in wanted]
    for one in left:
        one._backoff = 0
    if left:
        fetcher._notify(fetcher._wait_consume_future)


def fetch_wait_ms(partitions: int) -> int:
    """How long a fetch waits for records, by how many partitions it is for."""
    return max(FETCH_WAIT_MS, round(partitions * FETCH_WAIT_PER_PARTITION_MS))


def positions(consumer: Any, of: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The next offset to hand out, of those of these partitions that have one."""
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription else None
    if assignment is None:
        return {}
    states = ((tp, assignment.state_value(tp)) for tp in of)
    return {tp: state.position for tp, state in states if state is not None and state.has_valid_position}


def culprit(consumer: Any) -> TopicPartition:
    """The partition whose fetched records raised: a generator that raised has no frame any more."""
    for tp, result in consumer._fetcher._records.items():
        walked = getattr(result, "_partition_records", None)
        if walked is not None and walked._records_iterator.gi_frame is None:
            return tp
    raise LookupError("no partition's records have raised")
