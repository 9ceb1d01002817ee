"""Transport, flights and dispatcher in any order of what may happen to them, against a model of the group.

The consumer, its flights and a dispatcher are the real ones; Kafka is the model: partitions with records,
who owns them, what is committed. Time is virtual.
"""

import asyncio
from collections import defaultdict
from collections.abc import Container
from typing import Any

import faust
import pytest
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams import standing, transport
from streams.dispatch import Dispatcher, Tasks, until_done
from streams.flight import Batch, Partition, Record, Window
from tests.unit.virtual import VirtualLoop

PARTITIONS = (TP("deliver.one", 0), TP("deliver.one", 1), TP("delay.1m", 0))
#: Offsets with gaps, as compaction and transaction markers leave them.
OFFSETS = (3, 4, 5, 9, 10, 11, 12, 20)
SLOTS = 3
SESSION_S = 10.0
DRAIN_S = 2.0


class App(faust.App):  # type: ignore[misc]
    drain_s = DRAIN_S

    def window(self, topic: str) -> Window:
        return Window(1 if topic.startswith("delay") else 2)

    def agent_of(self, topic: str) -> str:
        return topic.partition(".")[0]

    def hurry(self) -> None:
        """Nothing is held to be written later."""


class Kafka:
    """What the broker knows, and what has become of each record by anybody's hands."""

    def __init__(self) -> None:
        self.committed: dict[TP, int] = dict.fromkeys(PARTITIONS, 0)
        self.position: dict[TP, int] = dict.fromkeys(PARTITIONS, 0)
        self.ours: set[TP] = set()
        self.finished: defaultdict[TP, set[int]] = defaultdict(set)

    def there(self, tp: TP, count: int) -> list[Record]:
        """The next records from our position on."""
        offsets = [offset for offset in OFFSETS if offset >= self.position[tp]][:count]
        return [Record(tp.topic, tp.partition, offset, 0, None, None, ()) for offset in offsets]

    def commit(self, offsets: dict[TP, int]) -> None:
        for tp, offset in offsets.items():
            assert tp in self.ours, f"{tp} was committed by one who does not own it"
            unfinished = [one for one in OFFSETS if one < offset and one not in self.finished[tp]]
            assert not unfinished, f"{tp} committed {offset}, past {unfinished}"
            self.committed[tp] = max(offset, self.committed[tp])

    def another_works(self, tp: TP, count: int) -> None:
        """A successor finishes some records of a partition that is not ours, and commits them."""
        for offset in [one for one in OFFSETS if one >= self.committed[tp]][:count]:
            self.finished[tp].add(offset)
            self.committed[tp] = offset + 1


class Source:
    """As `streams.inflow`: a look under way is answered by a rule, or with nothing once partitions end."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.reads: set[TP] = set()
        self.wanted: Container[TP] = ()
        self.answer: asyncio.Future[dict[TP, list[Any]]] | None = None

    async def begin(self, partitions: set[TP]) -> dict[TP, int]:
        self.end()
        self.reads = set(partitions)
        self.kafka.position = dict(self.kafka.committed)
        return {}

    def end(self) -> None:
        self.reads = set()
        if self.waits and self.answer is not None:
            self.answer.set_result({})

    @property
    def waits(self) -> bool:
        return self.answer is not None and not self.answer.done()

    async def take(self, wanted: Container[TP], timeout: float) -> dict[TP, list[Any]]:
        self.wanted, self.answer = wanted, asyncio.get_running_loop().create_future()
        return await self.answer

    def give(self, count: int) -> None:
        """Hand out so many records of each partition that is wanted; the next look begins behind them."""
        wanted = [tp for tp in PARTITIONS if tp in self.reads and tp in self.wanted]
        found = {tp: there for tp in wanted if (there := self.kafka.there(tp, count))}
        for tp, there in found.items():
            self.kafka.position[tp] = there[-1].offset + 1
        assert self.answer is not None
        self.answer.set_result(found)

    def look_again(self, tp: Partition) -> None:
        """Rules look often enough."""


class Attempt:
    """The work on one record, until a rule says how it ends."""

    def __init__(self, batch: Batch, index: int, life: int, generation: int) -> None:
        self.batch, self.index, self.life, self.generation = batch, index, life, generation
        self.ended: asyncio.Future[None] | None = None
        self.succeeded = False

    def succeed(self) -> None:
        assert self.ended is not None
        self.succeeded = True
        self.ended.set_result(None)

    async def __call__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        await self.ended


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(standing, "steady", lambda: self.loop.now)
        self.kafka = Kafka()
        self.generation = 0
        self.wrong: list[str] = []
        self.lives = 0  #: how often we were expelled
        self.expelled = False  #: the broker has given our partitions to another
        self.doubtful = False  #: we stood still, and no heartbeat was answered since
        self.begun: dict[tuple[int, TP], int] = {}  #: by generation and partition, the last offset
        self.done: set[tuple[int, TP, int]] = set()
        self.attempts: list[Attempt] = []
        self.fetching: asyncio.Task[None] | None = None
        self.source = Source(self.kafka)
        self.revoking: asyncio.Task[None] | None = None
        self.commits_hang = False
        self.gave_up = False  #: the drain has, on a commit
        self.run(self._start())
        self._join(set(PARTITIONS))

    # -- the real thing, and what stands in for aiokafka and the rooms -------------------------------

    async def _start(self) -> None:
        app = App("test", broker="batch://127.0.0.1:1", broker_session_timeout=SESSION_S)
        app.finalize()

        async def callback(*_: Any) -> None: ...

        self.consumer: Any = transport.Consumer(app.transport, callback, callback, callback)
        self.consumer._inflow = self.source  # type: ignore[assignment]
        self.consumer._commit = self._commit
        self.consumer.assignment = lambda: set(self.kafka.ours)
        self.patch.setattr(driver.Consumer, "on_partitions_revoked", _nothing)
        self.patch.setattr(driver.Consumer, "on_partitions_assigned", _nothing)
        self.slots = asyncio.Semaphore(SLOTS)
        self.dispatcher, self.tasks = Dispatcher("work", self._begin), Tasks()

    async def _commit(self, offsets: dict[TP, int]) -> bool:
        try:
            while self.commits_hang:
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            self.gave_up = True
            raise
        if self.expelled:
            self.consumer.standing.expelled()  # as streams.coordinator does
            return False
        self.kafka.commit(offsets)
        return True

    async def _fetch(self) -> None:
        async for _, message in self.consumer.getmany(1.0):
            for batch in message.batches:
                self.dispatcher.take(batch)

    async def _begin(self, batch: Batch) -> None:
        """As `streams.deliver` does."""
        for index in range(len(batch.records)):
            await self.slots.acquire()
            if not await batch.free():
                self.slots.release()
                return
            self._note(batch, index)
            batch.begin()
            self.tasks.spawn(self._one(batch, index))

    def _claim(self, holds: bool, otherwise: str) -> None:
        """Noted, not raised: what a room raises is an error to a dispatcher, which tries again."""
        if not holds:
            self.wrong.append(otherwise)

    def _note(self, batch: Batch, index: int) -> None:
        tp, offset = TP(*batch.tp), batch.records[index].offset
        last = self.begun.get((self.generation, tp), -1)
        self._claim(offset > last, f"{tp}: {offset} was begun after {last}, or twice")
        self._claim(not self.consumer.draining.is_set(), f"{tp}: {offset} was begun while draining")
        self._claim(tp in self.kafka.ours, f"{tp}: {offset} was begun by one who does not own it")
        self.begun[self.generation, tp] = offset

    async def _one(self, batch: Batch, index: int) -> None:
        attempt = Attempt(batch, index, self.lives, self.generation)
        self.attempts.append(attempt)
        try:
            await until_done("attempt", batch, attempt)
            await until_done("settle", batch, lambda: self._settle(attempt))
            batch.done(index)
            self.done.add((attempt.generation, TP(*batch.tp), batch.records[index].offset))
        finally:
            self.slots.release()

    async def _settle(self, attempt: Attempt) -> None:
        record = attempt.batch.records[attempt.index]
        former = attempt.life != self.lives
        self._claim(attempt.succeeded, f"{record.offset} is settled, and its attempt has failed")
        self._claim(not self.expelled, f"{record.offset} was settled by one that was expelled")
        self._claim(not former, f"{record.offset} of a former life was settled")
        self.kafka.finished[TP(*attempt.batch.tp)].add(record.offset)

    # -- time ----------------------------------------------------------------------------------

    def run(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    def turn(self, seconds: float = 0.0) -> None:
        """Let everything happen that can; heartbeats are answered meanwhile, unless we are in doubt."""
        if not (self.doubtful or self.expelled):
            self.consumer.standing.heard(self.loop.now)
        self.run(_pass(seconds))
        crashed = [task for task in (self.fetching, self.revoking) if task and task.done()]
        for task in crashed:
            task.result()

    @property
    def under_way(self) -> list[Attempt]:
        return [one for one in self.attempts if one.ended is not None and not one.ended.done()]

    # -- fetching and working ------------------------------------------------------------------

    @precondition(lambda self: self.consumer.flow_active and (self.fetching is None or self.fetching.done()))
    @rule()
    def ask(self) -> None:
        self.fetching = self.loop.create_task(self._fetch())
        self.turn()

    @precondition(lambda self: self.consumer.flow_active and (self.fetching is None or self.fetching.done()))
    @rule(count=st.integers(1, 4))
    def fetch(self, count: int) -> None:
        """Nothing comes between."""
        self.ask()
        self.take(count, True)

    @precondition(lambda self: self.source.waits)
    @rule(count=st.integers(0, 4), flow=st.booleans())
    def take(self, count: int, flow: bool) -> None:
        """What is there is handed out; other things may come before it is used."""
        self.source.give(count)
        if flow:
            self.turn()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), fails=st.sampled_from([False, False, False, True]))
    def end(self, data: st.DataObject, fails: bool) -> None:
        """An attempt ends, in any order; one that fails is made again after a while."""
        attempt = self.under_way[data.draw(st.integers(0, len(self.under_way) - 1))]
        assert attempt.ended is not None
        if fails:
            attempt.ended.set_exception(RuntimeError("unforeseen"))
        else:
            attempt.succeed()
        self.turn()

    @precondition(lambda self: self.under_way)
    @rule()
    def end_all(self) -> None:
        for attempt in self.under_way:
            attempt.succeed()
        self.turn()

    @rule(seconds=st.sampled_from([0.1, 1.0]))
    def wait(self, seconds: float) -> None:
        self.turn(seconds)

    # -- committing ----------------------------------------------------------------------------

    @rule(refused=st.booleans())
    def commit(self, refused: bool) -> None:
        self.commits_hang = False
        if refused:
            with self.patch.context() as patch:
                patch.setattr(self.consumer, "_commit", _refuse)
                assert not self.run(self.consumer.force_commit())
        else:
            self.run(self.consumer.force_commit())
        self.turn()

    @rule()
    def commits_stall(self) -> None:
        self.commits_hang = True

    # -- standing still ------------------------------------------------------------------------

    @precondition(lambda self: self.revoking is None)
    @rule(seconds=st.sampled_from([60.0, 1.0]), others=st.integers(0, 3))
    def freeze(self, seconds: float, others: int) -> None:
        """Nothing runs for a while; past the session another has our partitions, and works on them."""
        self.doubtful = True
        self.loop.now += seconds
        if seconds > SESSION_S and not self.expelled:
            self.expelled = True
            self.lives += 1
            mine, self.kafka.ours = self.kafka.ours, set()
            for tp in mine:
                self.kafka.another_works(tp, others)
        self.turn()  # thawed: all that was due runs before any heartbeat is answered

    @precondition(lambda self: self.doubtful and self.revoking is None)
    @rule()
    def heartbeat(self) -> None:
        self.doubtful = False
        if self.expelled:
            self.consumer.standing.expelled()
            self.revoke()
        else:
            self.consumer.standing.heard(self.loop.now)
        self.turn(standing.LOOK_S)

    # -- rebalances ----------------------------------------------------------------------------

    @precondition(lambda self: self.revoking is None and not self.doubtful)
    @rule()
    def revoke(self) -> None:
        self.gave_up = False
        self.revoking = self.loop.create_task(self.consumer.on_partitions_revoked(set(PARTITIONS)))
        self.turn()

    @precondition(lambda self: self.revoking is not None)
    @rule(assigned=st.sets(st.sampled_from(PARTITIONS)), others=st.integers(0, 3), overtaken=st.booleans())
    def assign(self, assigned: set[TP], others: int, overtaken: bool) -> None:
        """The drain is over, in time or not; another works on what is not ours any more."""
        assert self.revoking is not None
        self.run(self.revoking)
        orderly = not (self.expelled or self.gave_up)
        self.revoking = None
        if orderly:
            self._all_that_could_be_is_committed()
        for tp in PARTITIONS:
            if tp not in assigned:
                self.kafka.another_works(tp, others)
        self._join(assigned, overtaken=overtaken)
        self.turn()

    def _all_that_could_be_is_committed(self) -> None:
        for tp in self.kafka.ours:
            after = next((one for one in OFFSETS if one >= self.kafka.committed[tp]), None)
            assert (self.generation, tp, after) not in self.done, f"{tp}: {after} will be repeated"

    def _join(self, assigned: set[TP], *, overtaken: bool = False) -> None:
        self.generation += 1
        self.expelled = self.doubtful = False
        self.kafka.ours = set(assigned)
        self.consumer.app.consumer_generation_id = self.generation
        self.consumer.standing.heard(self.loop.now)
        self.run(self.consumer.on_partitions_assigned(set(assigned), self.generation))
        self.consumer._set_active_tps(set(assigned))
        if overtaken:
            self._next_rebalance_comes_while_seeking()
            return
        self.run(self.consumer.perform_seek())
        self.consumer.resume_flow()

    def _next_rebalance_comes_while_seeking(self) -> None:
        async def seek() -> None:
            with pytest.raises(IllegalStateError):
                await self.consumer.perform_seek()

        async def seek_late() -> dict[TP, int]:
            self.consumer.app.consumer_generation_id += 1
            return {}

        with self.patch.context() as patch:
            patch.setattr(self.consumer, "seek_to_committed", seek_late)
            self.run(seek())
        self.gave_up = False
        self.revoking = self.loop.create_task(self.consumer.on_partitions_revoked(set(PARTITIONS)))
        self.turn()
        self.consumer.resume_flow()  # Faust's, of the rebalance before: it must not
        assert not self.consumer.flow_active

    # -- what must always be so ----------------------------------------------------------------

    @invariant()
    def windows_are_kept(self) -> None:
        for tp in PARTITIONS:
            in_hand = len(self.consumer.flights.of(Partition(*tp)))
            assert in_hand <= self.consumer.app.window(tp.topic).batches, f"{in_hand} batches of {tp}"

    @invariant()
    def nothing_was_begun_or_settled_wrongly(self) -> None:
        assert not self.wrong

    @invariant()
    def no_worker_has_died(self) -> None:
        assert all(not task.done() for task in self.dispatcher._tasks._tasks)

    def teardown(self) -> None:
        """Once everything is quiet, every record was finished at least once, and all is committed."""
        try:
            self._quieten()
            assert not self.wrong
            for tp in PARTITIONS:
                assert self.kafka.finished[tp] == set(OFFSETS), f"lost of {tp}"
                assert self.kafka.committed[tp] == OFFSETS[-1] + 1
        finally:
            self.run(self._close())
            self.patch.undo()
            self.loop.close()

    def _quieten(self) -> None:
        if self.expelled:
            self.heartbeat()
        self.doubtful = self.commits_hang = False
        if self.revoking is None:
            self.revoke()
        for _ in range(40):
            if self.revoking is not None:
                self.assign(set(PARTITIONS), 0, False)
            if self.fetching is None or self.fetching.done():
                self.ask()
            if self.source.waits:
                self.take(3, True)
            for attempt in self.under_way:
                attempt.succeed()
            self.turn(1.0)
            self.run(self.consumer.force_commit())
            if all(offset == OFFSETS[-1] + 1 for offset in self.kafka.committed.values()):
                return

    async def _close(self) -> None:
        for task in (self.fetching, self.revoking):
            if task is not None:
                task.cancel()
        await self.dispatcher.close()
        await self.tasks.cancel()
        self.consumer._thread.thread_loop.close()


async def _pass(seconds: float) -> None:
    for wait in (seconds, *[0] * 12):
        await asyncio.sleep(wait)


async def _nothing(*_: Any, **__: Any) -> None: ...


async def _refuse(_: dict[TP, int]) -> bool:
    return False


Machine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestAnyOrder = Machine.TestCase
