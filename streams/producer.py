"""The confluent producer: idempotent, acks=all; `send` returns when the broker has confirmed every record.

librdkafka reports each record on a thread of its own; a Ticket counts the reports of one `send`,
and the event loop is woken once per burst of finished tickets, not once per record.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError
from confluent_kafka import Producer as Librdkafka

log = logging.getLogger(__name__)

SETTINGS = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # as Java's producers: a key keeps its partition whoever writes it
    "delivery.timeout.ms": 30_000,
    "queue.buffering.max.kbytes": 65_536,  # bounds memory; `send` waits when it is full
    "queue.buffering.max.messages": 200_000,
    "message.max.bytes": 64 * 1024 * 1024,  # the topics' own limits decide
}
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


class Ticket:
    """Counts the delivery reports of one `send`."""

    __slots__ = ("failed", "future", "left", "producer")

    def __init__(self, producer: "Producer", count: int) -> None:
        self.producer = producer
        self.left = count
        self.failed: list[tuple[int, KafkaError]] = []
        self.future: asyncio.Future[None] = producer.loop.create_future()

    def report(self, error: KafkaError | None, _message: Any) -> None:
        """Called on librdkafka's thread, once per record."""
        self.left -= 1
        if not self.left:
            self.producer.finished(self)

    def report_of(self, index: int) -> Any:
        def report(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                self.failed.append((index, error))
            self.report(error, message)

        return report


class Producer:
    """Writes records; made and used on the event loop."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self._config = {**SETTINGS, **config, "logger": logging.getLogger("streams.librdkafka")}
        self._kafka = Librdkafka(self._config)
        self._finished: deque[Ticket] = deque()
        self._woken = False
        self._open = True
        self._thread = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._thread.start()

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Write every record and return when all are confirmed by all in-sync replicas.

        What fails is written again until it succeeds: the caller's offsets stay where they are meanwhile.

        Raises:
            Refused: some records can never be written. All others are confirmed when this is raised.
        """
        refused: list[tuple[int, str]] = []
        waiting = list(enumerate(records))
        backoff = 0.1
        while waiting:
            failed = await self._send_once(waiting)
            refused += [(index, error.name()) for index, error in failed if error.code() in PERMANENT]
            again = [(index, error) for index, error in failed if error.code() not in PERMANENT]
            waiting = [(index, records[index]) for index, _ in again]
            if again:
                log.warning("produce.retry records=%d error=%s", len(again), again[0][1].name())
                self._renew(again)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)
        if refused:
            raise Refused(refused)

    async def _send_once(self, records: Sequence[tuple[int, Outgoing]]) -> list[tuple[int, KafkaError]]:
        ticket = Ticket(self, len(records))
        for index, record in records:
            while True:
                try:
                    self._kafka.produce(
                        record.topic, record.value, record.key,
                        headers=list(record.headers), on_delivery=ticket.report_of(index),
                    )  # fmt: skip
                    break
                except BufferError:
                    await asyncio.sleep(0.02)
        await ticket.future
        return ticket.failed

    def _renew(self, failed: Sequence[tuple[int, KafkaError]]) -> None:
        """An idempotent producer that failed for good (lost sequence) must be made anew."""
        if any(error.fatal() for _, error in failed):
            log.error("produce.fatal error=%s: making a new producer", failed[0][1].name())
            self._kafka = Librdkafka(self._config)

    # -- delivery reports ----------------------------------------------------------------------

    def _poll(self) -> None:
        while self._open:
            self._kafka.poll(0.1)

    def finished(self, ticket: Ticket) -> None:
        """On librdkafka's thread: wake the loop, once per burst."""
        self._finished.append(ticket)
        if not self._woken:
            self._woken = True
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = False
        while self._finished:
            future = self._finished.popleft().future
            if not future.done():
                future.set_result(None)

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued, for at most `timeout_s`."""
        await asyncio.to_thread(self._kafka.flush, timeout_s)
        self._open = False
        await asyncio.to_thread(self._thread.join, 1.0)
