"""The record-batch transport: Faust's consumer, with whole batches as its messages.

Faust keeps what it does well (worker, agents, the choreography of a rebalance); what it does
per record, and wrongly, is done here per batch (docs/decisions.md, "The transport"):

* `getmany` yields BatchMessages, with one batch of each partition that has something and room in its window;
  librdkafka fetches (`streams.inflow`), aiokafka is the member of the group (`streams.membership`);
* what is finished is counted per record in `streams.flight`; Faust's own ack, gap and buffer
  bookkeeping is bypassed, and only a finished prefix is committed;
* a revoke and a stop begin nothing new, wait a bounded time for what is in flight, and commit.

Found by Faust through the entry point `faust.transports`: broker="batch://host:9092".
Every name of Faust's and aiokafka's that is overridden here is pinned by tests/unit/test_transport.py.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from typing import Any

from aiokafka.errors import IllegalStateError
from faust import Service
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import Message

from streams import failpoints
from streams.batches import BatchMessage, together
from streams.flight import Batch, Flights, Partition, Record
from streams.inflow import Inflow
from streams.lookout import LOOK_S, Lookout
from streams.membership import FAUST_LOG, ConsumerThread
from streams.standing import Standing

log = logging.getLogger(__name__)

#: How long the last commit before partitions are given back may take: without it, some is delivered again.
COMMIT_S = 5.0


class Unremembered(dict[TP, int | None]):
    """Faust's table of offsets read, kept empty.

    Faust drops a message whose offset is lower than the last it saw of its partition. A topic that was
    made anew, or a reset to the earliest offset, would then never be read again.
    """

    def __getitem__(self, tp: TP) -> int | None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        """Nothing is remembered."""


class Open:
    """The partitions that may be taken from, as they are at each look.

    None when nobody can tell whether they are still ours (`streams.standing`).
    """

    def __init__(self, active: Container[Partition], flights: Flights, standing: Standing) -> None:
        self._active, self._flights, self._standing = active, flights, standing

    def __contains__(self, tp: object) -> bool:
        return tp not in self._flights.full and tp in self._active and self._standing.sure


class Consumer(driver.Consumer):
    """Faust's consumer with per-record completion of whole batches."""

    logger = FAUST_LOG

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = Unremembered()
        self.flights = Flights(self.app.window, self._freed)
        self.standing = Standing(self.app.conf.broker_session_timeout)
        #: Set while partitions are given back: whoever waits (a delay, a free slot) stops waiting.
        self.draining = asyncio.Event()
        self._inflow: Inflow | None = None
        self._refused: Exception | None = None  #: what the coordinator refuses for good
        self._stops = 0  #: how often the flow was stopped
        self._asked_at = (0, 0)  #: that and our life in the group, when the fetch under way was asked for

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _freed(self, tp: Partition) -> None:
        if self._inflow is not None:
            self._inflow.look_again(tp)

    def refused(self, error: Exception) -> None:
        """The group's coordinator refuses us: the next fetch raises it, and the worker ends."""
        self._refused = error

    # -- fetch ---------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Yield messages with one batch of each partition that had records and room in its window."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if self.should_stop:
            return
        self._asked_at = self._stops, self.standing.life
        if self._active_partitions is None:
            self._set_active_tps(self.assignment())
        fetched = await self._getmany(Open(self._active_partitions, self.flights, self.standing), timeout)
        for its in together(fetched, self.app.agent_of):
            if self.overtaken:
                return  # a rebalance has begun: after it, everything is read again from what is committed
            batches = [Batch(Partition(*tp), records, self.standing) for tp, records in its]
            for batch in batches:
                self.flights.add(batch)
                if failpoints.ARMED:
                    failpoints.hit("after-fetch")
            message = BatchMessage(batches, self.app.consumer_generation_id)
            yield message.tp, message

    async def _drain_messages(self, fetcher: Service) -> None:
        """Hand the agents what is fetched, until somebody stops us.

        Faust's own waits for each message by four tasks, several turns of the event loop: on a busy worker
        20 to 200 ms went by between two looks at what had come (docs/performance.md).
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(timeout=1.0):
                    if self.app.flow_control.is_active():
                        await self.callback(message)
                    else:  # a rebalance: it waits for the end of that, or for the next one
                        await self.wait_first(self.callback(message), self.suspend_flow.wait())
                await asyncio.sleep(0)
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.transport.app.should_stop:
                raise
            # Else a stop that comes during a rebalance would be a crash of the worker, in Faust's fetcher.

    @Service.task
    async def _look_after_reader(self) -> None:
        lookout = Lookout(self._thread)
        while not self.should_stop:
            await self.sleep(LOOK_S)
            if self._inflow is not None and self.flow_active:
                await lookout.look(self._inflow)

    async def _getmany(self, wanted: Open, timeout: float) -> Mapping[Partition, Sequence[Record]]:  # noqa: ASYNC109
        if self._inflow is None:  # an assignment of nothing
            await asyncio.sleep(timeout)
            return {}
        found = await self._inflow.take(wanted, timeout)
        if self._refused is not None:
            raise self._refused
        return found

    @property
    def overtaken(self) -> bool:
        """Whether the flow was stopped since the fetch under way was asked for, be it resumed by now."""
        return not self.flow_active or self._asked_at != (self._stops, self.standing.life)

    def stop_flow(self) -> None:
        super().stop_flow()
        self._stops += 1

    def resume_flow(self) -> None:
        """Faust resumes when a rebalance is over, even if the next one has begun: that one resumes it."""
        if not self.draining.is_set():
            super().resume_flow()

    # -- commit --------------------------------------------------------------------------------

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit the finished prefix of every partition; says whether anything was committed."""
        offsets = self.flights.committable() if self.standing.member else {}
        if not offsets or not await self._commit({TP(*tp): offset for tp, offset in offsets.items()}):
            return False
        self.flights.committed(offsets)
        return True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Read on from what is committed; returns that, for Faust to know."""
        if self._inflow is None:
            self._inflow = self.app.new_inflow()
        committed = await self._inflow.begin(self.assignment())
        return {TP(*tp): offset for tp, offset in committed.items()}

    async def perform_seek(self) -> None:
        """Go back to what is committed, before the flow is resumed.

        Raises:
            IllegalStateError: another rebalance came between. Faust knows that one: the next will do it.
            TimeoutError: the broker does not say what is committed, and the worker ends. Faust's own limit
                would end nothing but the resuming: a member for ever, with partitions that nobody reads.
        """
        generation = self.app.consumer_generation_id
        async with asyncio.timeout(self.app.conf.broker_request_timeout * 0.9):
            await super().perform_seek()
        self.flights.forget()
        if self.app.consumer_generation_id != generation:
            raise IllegalStateError("another rebalance")

    # -- giving partitions back ----------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight, commit it, then let Faust hand the partitions over."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        await self.drain()
        self.flights.forget()
        if self._inflow is not None:
            self._inflow.end()
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        await super().on_stop()
        if self._inflow is not None:
            await self._inflow.close()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.flights.forget()
        self.draining.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    async def drain(self) -> None:
        """Begin nothing new, wait at most `drain_s` for what is in flight, commit what is finished."""
        self.draining.set()
        self.app.hurry()
        self.flights.halt()
        if failpoints.ARMED and self.flights.in_flight:
            failpoints.hit("mid-rebalance")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.app.drain_s):
                while self.standing.member and self.flights.in_flight:  # noqa: ASYNC110 - rare and short
                    await asyncio.sleep(0.01)
        if not self.standing.member:
            return  # others do it all again: nothing is to be waited for, and no commit would be taken
        if left := self.flights.in_flight:
            log.warning("drain.incomplete in_flight=%d waited_s=%s", left, self.app.drain_s)
        try:
            async with asyncio.timeout(COMMIT_S):
                await self.force_commit()
        except TimeoutError:
            log.warning("drain.commit_timeout waited_s=%s", COMMIT_S)

    async def wait_empty(self) -> None:
        """Faust asks this before it stops or rebalances; unlike Faust's own it is bounded."""
        if not self.draining.is_set():
            await self.drain()

    # -- Faust's own bookkeeping, not used -----------------------------------------------------

    def ack(self, message: Message) -> bool:
        return False

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets that a fetch skips hold nothing that could be unfinished."""

    def on_buffer_full(self, tp: TP) -> None:
        """The window is the only limit."""

    def on_buffer_drop(self, tp: TP) -> None:
        """The window is the only limit."""

    async def verify_all_partitions_active(self) -> None:
        """Faust's livelock alarms do not know of windows; /healthz watches the oldest unfinished record."""


class Transport(driver.Transport):
    """`batch://`: aiokafka underneath, whole batches on top."""

    Consumer = Consumer
