"""Records on their way: how each kind is addressed, and what happens when the broker refuses one for good."""

import logging
from collections.abc import Sequence

from streams import clock, headers
from streams.flight import Record
from streams.headers import Death, Source, Tracking
from streams.producer import Outgoing, Refused, Writer
from streams.retry import Reason

log = logging.getLogger(__name__)


class Letters:
    """Writes records, and never gives up on one: what is too large for its topic goes to the dlq."""

    def __init__(self, producer: Writer, dlq_topic: str) -> None:
        self._producer = producer
        self._dlq_topic = dlq_topic

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when every record, or its dlq record, is durable."""
        if not outgoing:
            return
        try:
            await self._producer.send(outgoing)
        except Refused as refusal:
            await self._bury([(outgoing[index], error) for index, error in refusal.refused])

    def dead(self, record: Record, death: Death, subject: Tracking | Source) -> Outgoing:
        """The dlq record of an event: the producer's bytes, and why it died."""
        own = headers.own(record.headers)
        return Outgoing(self._dlq_topic, record.value, record.key, headers.write_death(death, subject, own))

    async def _bury(self, refused: Sequence[tuple[Outgoing, str]]) -> None:
        """The broker refuses a record: the dlq, whole; and if that refuses it too, without its bytes.

        The bytes are then still at the source that the record names.
        """
        whole = [self._too_large(record, error) for record, error in refused]
        try:
            await self._producer.send(whole)
        except Refused as refusal:
            await self._producer.send([bare(whole[index]) for index, _ in refusal.refused])

    def _too_large(self, record: Outgoing, error: str) -> Outgoing:
        log.error("record.refused topic=%s error=%s bytes=%d", record.topic, error, len(record.value or b""))
        if record.topic == self._dlq_topic:
            return bare(record)
        death = Death(Reason.TOO_LARGE, error, f"refused by {record.topic}", int(clock.now() * 1000))
        own = headers.own(record.headers)
        tracking = headers.read(record.headers)._replace(due_ms=None, tier=None)
        return Outgoing(self._dlq_topic, record.value, record.key, headers.write_death(death, tracking, own))


def bare(record: Outgoing) -> Outgoing:
    """The dlq record without the event's bytes and the producer's headers."""
    ours = [header for header in record.headers if header[0].startswith(headers.PREFIX)]
    return record._replace(value=None, key=None, headers=ours)
