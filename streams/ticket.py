"""Who waits for what was written: `future` is done when librdkafka has reported on every record of a ticket.

librdkafka keeps, with each record, what is to be called with its report. With `delivery.report.only.error`
confluent-kafka calls that for failures only, and lets go of it when there is a report of any kind
(`dr_msg_cb` and `Producer_msgstate_destroy` in its Producer.c). So a ticket that nobody but its records holds
ends with the last report. A Message of each record, and a call with it that says which record it is, costs
half as much as writing it.

Not compiled (setup.py): an instance ends here when CPython says so, and nobody has to read mypyc to know.
"""

import asyncio
import logging

from confluent_kafka import KafkaError, Message

from streams import clock

log = logging.getLogger(__name__)

#: Topic, value and key of a record, and what librdkafka says of it. A report has no headers.
Fault = tuple[tuple[str, bytes | None, bytes | None], KafkaError]
#: Fits no record, and so may be of any.
UNSAID: Fault = ("", None, None), KafkaError(KafkaError._FAIL)


class Ticket:
    """To be held by its records alone."""

    __slots__ = ("_faults", "_future", "_sent", "_unsaid")

    def __init__(self, faults: list[Fault], future: "asyncio.Future[None]") -> None:
        """What fails is added to `faults` before `future` is done."""
        self._faults = faults
        self._future = future
        self._sent = clock.steady()
        self._unsaid = False  #: a record has failed, and which one could not be noted

    def report(self, error: KafkaError | None, message: Message) -> None:
        """One record has failed; or is confirmed, of a producer that is asked to say so."""
        if error is None:
            try:
                kind, append_ms = message.timestamp()
                clock.heard(kind, append_ms, self._sent)
            except Exception:
                log.exception("clock.error")
        else:
            self._unsaid = True
            self.fault(message.topic(), message.value(), message.key(), error)
            self._unsaid = False

    def fault(self, topic: str, value: bytes | None, key: bytes | None, error: KafkaError) -> None:
        """One record has failed."""
        self._faults.append(((topic, value, key), error))

    def __del__(self) -> None:
        if self._unsaid:
            self._faults.append(UNSAID)
        if not self._future.done():
            self._future.set_result(None)
