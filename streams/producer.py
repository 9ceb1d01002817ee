"""The confluent producer: idempotent, acks=all; `send` returns when the broker has confirmed every record.

Delivery reports are fetched on the event loop, every SOON_S while any are to come: on a thread of their own
each of them would have to wait for the interpreter, which the loop gives away only every 5 ms while it has
something to do.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Librdkafka

from streams.refusals import Refusals
from streams.ticket import Fault, Ticket

log = logging.getLogger(__name__)

SETTINGS = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "compression.type": "lz4",
    "partitioner": "consistent_random",  # by CRC-32: a key keeps its partition when `streams.packing` does it
    "delivery.timeout.ms": 30_000,
    "queue.buffering.max.kbytes": 65_536,  # bounds memory; `send` waits when it is full
    "queue.buffering.max.messages": 200_000,
    "message.max.bytes": 64 * 1024 * 1024,  # the topics' own limits decide
}
#: Not idempotent: there is no sequence to lose, and a record written twice is found to be one.
ALONE = {"batch.num.messages": 1, "enable.idempotence": False}
#: The broker will refuse this record however often it is sent.
PERMANENT = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_ARG,
    }
)
LONGEST_BACKOFF_S = 10.0
#: How often delivery reports are fetched while some are to come.
SOON_S = 0.002
#: How long Kafka has to say which topics there are.
TOPICS_S = 5.0


#: Which of some records has failed, and why.
Failure = tuple[int, KafkaError]


class Outgoing(NamedTuple):
    """A record to be written."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


class Refused(Exception):
    """The broker refuses records for good (too large); nobody else can write them either."""

    def __init__(self, refused: Sequence[tuple[int, str]]) -> None:
        super().__init__(", ".join(sorted({name for _, name in refused})))
        self.refused = list(refused)  #: index into what was sent, and the broker's error name


class Writer(Protocol):
    """What writes records: a Producer, or what stands for one where there is no Kafka."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `Producer.send`."""


class Producer:
    """Writes records; made and used on the event loop."""

    def __init__(
        self, config: Mapping[str, Any], *, aloud: bool = False, refusals: Refusals | None = None
    ) -> None:
        """`aloud`: the clock hears when the broker wrote a record; each costs half as much again.

        `refusals`: what is refused to any of several producers, so that it is said once.
        """
        self.loop = asyncio.get_running_loop()
        own = {"logger": logging.getLogger("streams.librdkafka"), "delivery.report.only.error": not aloud}
        self._config = {**SETTINGS, **config, **own}
        self._kafka = Librdkafka(self._config)
        self._retired: list[Librdkafka] = []
        self.refusals = Refusals() if refusals is None else refusals
        self._alone: Librdkafka | None = None  #: writes each record in a batch of its own
        self._doubted = False  #: whether it does anything is being found out
        self._timer: asyncio.TimerHandle | None = None

    async def learn_topics(self) -> None:
        """Ask for all topics and their leaders at once, before there is something to write.

        librdkafka asks for one topic at a time, when it is first written to: the first records to 200 topics
        took 0.65-0.86 s, and 0.10-0.21 s after this. Who can't be asked now is asked then.
        """
        with contextlib.suppress(KafkaException):
            await asyncio.to_thread(self._kafka.list_topics, timeout=TOPICS_S)

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Write every record and return when all are confirmed by all in-sync replicas.

        What fails is written again until it succeeds: the caller's offsets stay where they are meanwhile.

        Raises:
            Refused: some records can never be written. All others are confirmed when this is raised.
        """
        refused: list[tuple[int, str]] = []
        waiting = records
        indexes: Sequence[int] = range(len(records))
        backoff = 0.1
        while waiting:
            sent_at, kafka = self.refusals.now(), self._kafka
            failed = await self._send_once(kafka, waiting)
            if not failed and not self.refusals:
                break
            late = [at for at, error in failed if error.code() == KafkaError._MSG_TIMED_OUT]
            if late:
                await self._doubt(kafka, waiting[late[0]].topic)
            failed = await self._singled_out(waiting, failed)
            refused += [(indexes[at], error.name()) for at, error in failed if error.code() in PERMANENT]
            again = [(at, error) for at, error in failed if error.code() not in PERMANENT]
            if again or self.refusals:
                self._note_refusals(waiting, again, sent_at)
            waiting, indexes = [waiting[at] for at, _ in again], [indexes[at] for at, _ in again]
            if again:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)
        if refused:
            raise Refused(refused)

    def _note_refusals(self, sent: Sequence[Outgoing], failed: Sequence[Failure], sent_at: float) -> None:
        errors = {sent[at].topic: error for at, error in failed}
        for topic, error in errors.items():
            self.refusals.failed(topic, error, sent_at)
        self.refusals.taken((record.topic for record in sent if record.topic not in errors), sent_at)

    async def _singled_out(self, records: Sequence[Outgoing], failed: list[Failure]) -> list[Failure]:
        """What fails for its own sake: with one record the broker refuses the whole batch it is in, so
        each of them is written again by itself."""
        suspects = [at for at, error in failed if error.code() in PERMANENT]
        if not suspects:
            return failed
        if self._alone is None:
            self._alone = Librdkafka({**self._config, **ALONE})
        others = [(at, error) for at, error in failed if error.code() not in PERMANENT]
        kafka = self._alone
        alone = await asyncio.gather(*[self._send_once(kafka, [records[at]]) for at in suspects])
        found = [(at, failed[0][1]) for at, failed in zip(suspects, alone, strict=True) if failed]
        if kafka is self._alone and any(error.code() == KafkaError._MSG_TIMED_OUT for _, error in found):
            self._retired, self._alone = [*self._retired, kafka], None  # it may stand still, too
        return others + found

    async def _send_once(self, kafka: Librdkafka, records: Sequence[Outgoing]) -> list[Failure]:
        faults: list[Fault] = []
        reports: list[asyncio.Future[None]] = []
        left = records
        while left:
            reports.append(self.loop.create_future())
            if self._timer is None:
                self._timer = self.loop.call_later(SOON_S, self._fetch_reports)
            taken = _hand_over(kafka, left, Ticket(faults, reports[-1]))
            left = left[taken:]
            if left:  # the queue is full
                await asyncio.sleep(0.02)
        for future in reports:
            await future
        return _failed(records, faults) if faults else []

    # -- delivery reports ----------------------------------------------------------------------

    def _fetch_reports(self) -> None:
        """Take the delivery reports that are there, and look again while more are to come."""
        self._timer = self.loop.call_later(SOON_S, self._fetch_reports)  # whatever becomes of this look
        try:
            self._kafka.poll(0)
        except KafkaException as error:  # the one way to learn of it: no record's report says "fatal"
            self._given_up(error.args[0])
        for other in self._others():
            with contextlib.suppress(KafkaException):
                other.poll(0)
        if not self._left():
            self._timer.cancel()
            self._timer = None

    def _others(self) -> Iterator[Librdkafka]:
        return filter(None, (self._alone, *self._retired))

    def _left(self) -> bool:
        """Whether reports are to come."""
        return bool(len(self._kafka)) or any(map(len, self._others()))

    async def _doubt(self, kafka: Librdkafka, topic: str) -> None:
        """A record to this topic was not written in time: one that gets no answer either may stand still.

        librdkafka can do so for good (docs/decisions.md, "A client that stands still"). Where Kafka is away,
        a new one is no worse.
        """
        if self._doubted or kafka is not self._kafka:
            return
        self._doubted = True
        try:
            await asyncio.to_thread(kafka.list_topics, topic, timeout=TOPICS_S)
        except KafkaException as error:
            if kafka is self._kafka:
                log.warning("produce.renewed topic=%s error=%s: no answer", topic, error.args[0].name())
                self._retire(in_flight=False)  # of that, answers may come
        finally:
            self._doubted = False

    def _given_up(self, fatal: KafkaError) -> None:
        """An idempotent producer that lost its sequence is of no more use."""
        log.error("produce.fatal error=%s: making a new producer", fatal.name())
        self._retire(in_flight=True)

    def _retire(self, *, in_flight: bool) -> None:
        """A new one writes what this one held, all of which is reported as failed: `send` writes it again."""
        retired, self._kafka = self._kafka, Librdkafka(self._config)
        retired.purge(in_flight=in_flight)
        self._retired = [one for one in (*self._retired, retired) if len(one)]

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued, for at most `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self._left() and time.monotonic() < deadline:  # noqa: ASYNC110 - reports are polled for
            await asyncio.sleep(SOON_S)
        if self._timer is not None:
            self._timer.cancel()


def _hand_over(kafka: Librdkafka, records: Sequence[Outgoing], ticket: Ticket) -> int:
    """Give librdkafka as many of these records as it has room for; how many."""
    report = ticket.report
    for count, (topic, value, key, headers) in enumerate(records):
        known = headers if isinstance(headers, list) else list(headers)
        try:
            kafka.produce(topic, value, key, headers=known, on_delivery=report)
        except BufferError:
            return count
        except KafkaException as error:
            ticket.fault(topic, value, key, error.args[0])
    return len(records)


def _failed(records: Sequence[Outgoing], faults: Sequence[Fault]) -> list[Failure]:
    """Which records these are about. Of those that differ in headers only, all: better twice than never."""
    errors = dict(faults)
    if not errors.keys() <= {
        record[:3] for record in records
    }:  # a report that fits none: it may be any of them
        return [(at, faults[0][1]) for at in range(len(records))]
    return [(at, errors[record[:3]]) for at, record in enumerate(records) if record[:3] in errors]
