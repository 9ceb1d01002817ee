"""The consumer's thread: aiokafka as a member of the group, which fetches nothing.

It joins, keeps its place with heartbeats, and commits. What is fetched of the partitions that it is given
is `streams.inflow`'s; so all that aiokafka does for every fetch, partition and record is left out.
"""

import asyncio
import itertools
import logging
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import TopicPartition
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.assignor import Sticky
from streams.coordinator import Coordinator

log = logging.getLogger(__name__)
#: Faust logs its own life under the name of the subclass, unless it is told otherwise.
FAUST_LOG = logging.getLogger("faust.transport")

#: How long a stop may take to finish what the thread was asked for, and to leave the group.
LEAVE_S = 5.0


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread."""

    logger = FAUST_LOG
    _errors: "asyncio.Task[None] | None" = None
    #: What aiokafka says is ours, and the same as Faust has it.
    _given: Collection[Any] | None = None
    _assigned: frozenset[TP] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not uvloop, which raises when aiokafka writes to a connection that was closed a moment ago; asyncio
        # says nothing, and aiokafka learns of it later. At a flaky network such a worker ended by itself.
        super().__init__(*args, thread_loop=asyncio.SelectorEventLoop(), **kwargs)
        self._close_thread_loop_on_stop = True

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = [Sticky]
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        Coordinator(self._consumer._coordinator, self.consumer.standing)
        fetch_nothing(self._consumer)
        self._errors = asyncio.ensure_future(self._watch(self._consumer._fetcher))

    async def _watch(self, fetcher: Any) -> None:
        """aiokafka tells whoever waits for records what the group's coordinator refuses for good."""
        while True:
            try:
                await fetcher._create_fetch_waiter()
            except Exception as error:
                self.parent_loop.call_soon_threadsafe(self.consumer.refused, error)
                return

    async def on_thread_stop(self) -> None:
        """Leave the group, if the broker answers in time; the process must end in any case.

        Without a broker aiokafka raises its own cancellation here, the thread dies of it, and Faust
        waits for the thread for ever.
        """
        if self._errors is not None:
            self._errors.cancel()
        try:
            async with asyncio.timeout(LEAVE_S):
                await super().on_thread_stop()
        except (Exception, asyncio.CancelledError) as error:
            log.warning("consumer.left_in_disorder error=%s", type(error).__name__)

    async def ends(self, places: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Partition -> the offset after its last record; without those that nobody leads.

        One of those would spoil the question. It is not asked by Faust's queue of such calls: a broker that
        doesn't answer would hold up commits.

        Raises:
            KafkaError: aiokafka can't ask.
        """
        consumer = self._ensure_consumer()
        led = consumer._client.cluster.leader_for_partition
        asked = [tp for tp in itertools.starmap(TopicPartition, places) if led(tp) not in (None, -1)]
        asking = asyncio.run_coroutine_threadsafe(consumer.end_offsets(asked), self.thread_loop)
        found = await asyncio.wrap_future(asking)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def assignment(self) -> frozenset[TP]:
        """Made anew only where it is new: Faust asks once for each partition of a commit."""
        given = self._ensure_consumer().assignment()
        if given is not self._given:
            self._given, self._assigned = given, frozenset(ensure_TPset(given))
        return self._assigned

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        Sticky.on_generation_assignment(generation_id)
        await super().on_partitions_assigned(assigned, generation_id)


def fetch_nothing(consumer: Any) -> None:
    """Ask no broker for records or positions, and count as one that polls all the same.

    aiokafka takes a consumer that does not for idle and, past max.poll.interval, leaves the group for it.
    """
    consumer._fetcher._get_actions_per_node = lambda assignment: ([], {}, None, False, [])
    consumer._subscription._fetch_count += 1
