"""What a worker reads: librdkafka fetches the partitions that the group has given us, and nothing else.

Who is in the group and what is committed is aiokafka's business (`streams.membership`). Records are not:
aiokafka has one request per broker under way, leaves out of it whatever was handed out a moment ago, and
walks through every partition and every record in Python, on a thread that contends with the event loop for
the interpreter (docs/decisions.md, "Who fetches"). librdkafka does all of that in C, on threads of its own.

What is read lies here, by partition, until the window of its partition has room (`streams.backlog`). While
some of every partition lies here, nothing is taken from librdkafka, which then fetches no more. So that one
destination's backlog neither fills memory nor stands before another's records, a partition of which enough
lies here is paused at librdkafka when another runs short. That throws away what librdkafka has of it, so what
has been fetched is taken first; and a broker of which all is paused is asked again only up to a second after
a resume, so not all are ever paused.

Nobody waits in librdkafka: confluent-kafka lets one thread at a time use a consumer, and whoever else calls
it stands still meanwhile. So the event loop looks every few milliseconds.
"""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.backlog import Backlogs, Place
from streams.flight import Partition, Record
from streams.reader import CLOSE_S, committed_by, fetch_bytes, settings
from streams.scan import dismiss, record_of

log = logging.getLogger(__name__)

#: Messages taken from librdkafka at once.
MOST_AT_ONCE = 1000
#: A partition of which the bytes of so many fetches lie here has plenty.
PLENTY_OF_FETCHES = 4
#: How often it is looked whether something came: now, and when nothing has come for some time.
SOON_S, SELDOM_S, QUIET_S = 0.002, 0.005, 1.0
#: How often everything that lies here is looked at, and not only what somebody said has come or is wanted.
ALL_S = 1.0
#: What a broker says for good: somebody must grant a right.
FOR_GOOD = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError._FATAL,
    }
)


class Inflow:
    """Reads the partitions of one assignment after the other; made and used on the event loop.

    Args:
        config: of the connection.
        group: whose commits are read.
        partitions: how many there may be; what one fetch brings of each depends on it.
        unwell: the topics of destinations that take nothing now: of those, little is plenty.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        group: str,
        partitions: int = 1,
        unwell: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self._unwell = unwell
        self._loop = asyncio.get_running_loop()
        self.fetch_bytes = fetch_bytes(partitions)
        self._config = settings(config, group, partitions)
        self._kafka = Consumer(self._config)
        self._lying = Backlogs({}, 0)
        #: Those that may be wanted. To ask for all, each time, would take a core where thousands lie here.
        self._candidates: set[Place] = set()
        self._came_at = self._all_at = 0.0  #: by the loop's clock
        self.all_taken_at = 0.0  #: by the same: when librdkafka had nothing more for us
        self._waiter: asyncio.Future[None] | None = None
        self._error: KafkaException | None = None
        self._assignments = 0

    # -- which partitions ----------------------------------------------------------------------

    async def begin(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Read these from now on, each from what is committed; returns what is, where anything is.

        Raises:
            KafkaException: the brokers do not say what is committed.
        """
        self.end()
        assignment, wanted = self._assignments, [TopicPartition(*tp) for tp in partitions]
        committed = await asyncio.to_thread(committed_by, self._config, wanted) if wanted else {}
        if assignment == self._assignments and wanted:
            starts = {(tp.topic, tp.partition): OFFSET_BEGINNING for tp in wanted} | committed
            self._lying = Backlogs(starts, PLENTY_OF_FETCHES * self.fetch_bytes)
            self._kafka.assign([TopicPartition(*tp, offset) for tp, offset in starts.items()])
        return committed

    def renew(self) -> None:
        """Read on where we are with a client that is made anew; what lies here stays.

        For one that brings nothing of what there is (`streams.lookout`).
        """
        dismiss(self._kafka)
        self._kafka = Consumer(self._config)
        if starts := self._lying.next:
            self._kafka.assign([TopicPartition(*tp, offset) for tp, offset in starts.items()])
            self._pause(self._lying.paused)

    def end(self) -> None:
        """Read nothing more, and forget what lies here."""
        self._assignments += 1
        self._resume(self._lying.paused)  # they would stay paused when they are assigned again
        self._lying, self._candidates = Backlogs({}, 0), set()
        self._kafka.unassign()
        self._wake()

    @property
    def starving(self) -> tuple[int, dict[Place, int]]:
        """The number of the assignment, and where reading goes on of the partitions of which nothing is here,
        though anything that came would be taken."""
        return self._assignments, self._lying.empty

    def seen_end(self, place: Place) -> int:
        """Where this partition ended when it was last fetched from; negative if it never was."""
        try:
            found = self._kafka.get_watermark_offsets(TopicPartition(*place), cached=True)
        except KafkaException:  # nothing is known of it
            return -1
        return -1 if found is None else int(found[1])

    # -- what there is -------------------------------------------------------------------------

    async def take(self, wanted: Container[Any], timeout: float) -> dict[Partition, list[Record]]:  # noqa: ASYNC109
        """What lies here of the partitions that are wanted, or comes within `timeout` seconds.

        Raises:
            KafkaException: the brokers don't let us read, and won't.
        """
        deadline, assignment = self._loop.time() + timeout, self._assignments
        while True:
            if self._lying.short:
                self._keep(self._kafka.consume(MOST_AT_ONCE, 0))
            if self._error is not None:
                raise self._error
            self._resume(self._lying.due(self._loop.time(), self._unwell()))
            found = self._hand_out_all(wanted)
            if found or (left := deadline - self._loop.time()) <= 0:
                return found
            await self._wait(min(left, self._interval))
            if assignment != self._assignments:
                return {}

    def look_again(self, tp: tuple[str, int]) -> None:
        """The window of a partition has room: what lies here of it may be wanted."""
        if tp in self._lying.ready:
            self._candidates.add(tp)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _hand_out_all(self, wanted: Container[Any]) -> dict[Partition, list[Record]]:
        now = self._loop.time()
        if now > self._all_at + ALL_S:
            self._all_at = now
            self._candidates.update(self._lying.ready)
        candidates, self._candidates = self._candidates, set()
        return {Partition(*tp): self._hand_out(tp) for tp in candidates if tp in wanted}

    def _hand_out(self, tp: Place) -> list[Record]:
        found, resumed = self._lying.cut(tp, self._unwell())
        if tp in self._lying.ready:
            self._candidates.add(tp)
        if resumed:
            self._resume([tp])
        return found

    def _pause(self, plenty: Sequence[Place]) -> None:
        if plenty:
            self._kafka.pause([TopicPartition(*tp) for tp in plenty])

    def _resume(self, paused: Sequence[Place]) -> None:
        if paused:
            self._kafka.resume([TopicPartition(*tp) for tp in paused])

    @property
    def _interval(self) -> float:
        return SOON_S if self._loop.time() - self._came_at < QUIET_S else SELDOM_S

    async def _wait(self, seconds: float) -> None:
        """For so long, or until what lies here may be wanted."""
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await waiter
        finally:
            timer.cancel()

    def _keep(self, messages: Sequence[Message]) -> None:
        """Take these in, and pause what there is plenty of."""
        if messages:
            self._came_at = self._loop.time()
            records = []
            for message in messages:
                if message.error() is None:
                    records.append(record_of(message))
                else:
                    self._failed(message)
            self._candidates |= self._lying.keep(records, self._unwell())
        all_taken = len(messages) < MOST_AT_ONCE
        if all_taken:
            self.all_taken_at = self._loop.time()
        self._pause(self._lying.pause(all_taken))

    def _failed(self, message: Message) -> None:
        error = message.error()
        if error.code() in FOR_GOOD:
            self._error = KafkaException(error)
        else:
            where = message.topic(), message.partition()
            log.warning("fetch.failed topic=%s partition=%s error=%s", *where, error.name())

    async def close(self) -> None:
        """Read nothing more, ever."""
        self.end()
        await asyncio.to_thread(dismiss(self._kafka).join, CLOSE_S)
