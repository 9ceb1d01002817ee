"""Writes the events of a scenario at a steady rate, and remembers where each of them is."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from confluent_kafka import Producer

from streams import codec
from streams.headers import Header, Source
from streams.settings import Settings
from streams.verify.cast import Planned

#: Of several records, every so many is Avro.
AVRO_EVERY = 3
#: Outlasts every outage of a broker that a scenario makes.
DELIVERY_TIMEOUT_MS = 300_000


class Writer:
    """Writes records and says where they are."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = Producer(
            {
                **settings.kafka.confluent("distributary-verify-load"),
                "log_level": 0,
                "linger.ms": 5,
                "enable.idempotence": True,
                "message.max.bytes": 8 << 20,
                "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
            }
        )

    def write(
        self,
        topic: str,
        value: bytes | None,
        confirmed: Callable[[Source], None],
        own: Sequence[Header] = (),
        nowhere: Callable[[], None] | None = None,
        **place: Any,
    ) -> None:
        """Write a record; `confirmed` is told where it is, on this thread, during a later call.

        `nowhere` is called instead where the broker has it and doesn't know any more where: it was written
        again, because the first confirmation was lost.
        """

        def report(error: Any, message: Any) -> None:
            if error is not None:
                raise RuntimeError(f"the load could not be written: {error}")
            if message.offset() is None and nowhere is not None:
                nowhere()
            else:
                confirmed(Source(topic, message.partition(), message.offset()))

        self._kafka.produce(topic, value, headers=list(own), on_delivery=report, **place)
        self._kafka.poll(0)

    def flush(self) -> None:
        """Return when all is confirmed."""
        if self._kafka.flush(DELIVERY_TIMEOUT_MS / 1000):
            raise RuntimeError("the load could not be written")


class Load:
    """Planned events, made as they are written, on a thread of their own."""

    def __init__(self, settings: Settings, planned: Iterable[Planned], count: int, seconds: float) -> None:
        self.sources: dict[Source, Planned] = {}  #: where each is; without what it said
        self.unplaced: list[Planned] = []  #: written, and nobody was told where
        self.seconds = seconds  #: how long it lasts if nothing holds it up
        self.began = self.ended = 0.0  #: Unix time
        self._topic = settings.inbound.topic
        self._planned, self._count = planned, max(1, count)
        self._pace_s = seconds / self._count
        self._writer = Writer(settings)
        self._handed = 0
        self._held = threading.Event()
        self._stopped = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        self.began = time.time()
        self._thread.start()

    @property
    def written(self) -> float:
        """The share that is written."""
        return self._confirmed / self._count

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def hold(self) -> None:
        """Write nothing more until `go_on`, once all that was begun is written."""
        self._held.set()
        deadline = time.monotonic() + 30
        while self._confirmed < self._handed and time.monotonic() < deadline:
            time.sleep(0.02)

    def go_on(self) -> None:
        self._held.clear()

    def finish(self) -> None:
        """Wait for the last event to be written; raises what made it fail."""
        self.go_on()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Write nothing more: the scenario is over, or has failed."""
        self._stopped.set()
        self.go_on()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            for number, (planned, due) in enumerate(self._paced()):
                encode = codec.encode_json if number % AVRO_EVERY else codec.encode_avro
                self._handed += 1
                self._write(encode(dict(planned.event)), replace(planned, event={}))
                time.sleep(max(0.0, due - time.monotonic()))
            self._writer.flush()
        except BaseException as error:
            self._failed = error
        self.ended = time.time()

    def _paced(self) -> Iterator[tuple[Planned, float]]:
        """Each event, and when the one after it is due."""
        due = time.monotonic()
        for planned in self._planned:
            if self._stopped.is_set():
                return
            while self._held.is_set():
                self._writer.flush()
                time.sleep(0.02)
                due = max(due, time.monotonic())
            due += self._pace_s
            yield planned, due

    def _write(self, value: bytes, known: Planned) -> None:
        def note(source: Source) -> None:
            self.sources[source] = known

        self._writer.write(self._topic, value, note, nowhere=lambda: self.unplaced.append(known))

    @property
    def _confirmed(self) -> int:
        return len(self.sources) + len(self.unplaced)
