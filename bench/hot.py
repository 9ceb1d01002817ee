"""The functions that every event goes through, each ready to be run on some events, without Kafka and HTTP.

A scene is a coroutine function: called once it does its work for EVENTS events. What it talks to answers at
once, so that what is counted is our own.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import yaml
from aiokafka.protocol.produce import ProduceResponse_v7

from bench import events
from bench.systems.base import Task, Workload
from bench.systems.distributary.system import config_of
from connectors.answers import Answer, Outcome
from connectors.base import Request
from streams import attempts, headers, producer, retry, settings
from streams.attempts import Attempt
from streams.attempts import Outcome as Ended
from streams.codec import Decoder
from streams.deliver import Delivery, Lane
from streams.destinations import Audience, configured
from streams.express import Express
from streams.flight import Batch, Partition, Record
from streams.headers import Source, Tracking
from streams.health import Health
from streams.letters import Letters
from streams.masking import Masking
from streams.producer import Outgoing, Producer
from streams.route import Router
from streams.settle import Settler
from streams.slots import Slots
from streams.topics import Names

#: Events of one call of a scene, and so what its counts are divided by.
EVENTS = 50
Scene = Callable[[], Awaitable[None]]

TASK = Task(
    Workload.END_TO_END, "127.0.0.1:9092", "guard.", "guard.events",
    tuple(f"guard.deliver.d{number}" for number in range(5)), "guard.delay.1m", "guard.attempts", 60.0,
    tuple(f"http://127.0.0.1:1/d{number}" for number in range(5)), "guard", 50, Path(),
)  # fmt: skip
SETTINGS = settings.parse(yaml.safe_dump(config_of(TASK)), env={})
NAMES = Names.of(SETTINGS)
TRACKING = Tracking("d0", "bench-000000000001", Source("guard.events", 1, 123_456))


class Noted:
    """A producer that says at once that all is written."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Written."""


class Welcoming:
    """A destination that has answered before it was asked."""

    async def send(self, request: Request) -> Answer:
        return Answer(200, {"content-type": "application/json"}, b'{"ok":true}', sent=True, elapsed_ms=1)


class Librdkafka:
    """Confirms each record as soon as it is given."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._asleep = threading.Event()

    def produce(self, topic: str, value: bytes, key: bytes, *, headers: Any, on_delivery: Any) -> None:
        """Lets go of `on_delivery`."""

    def poll(self, timeout_s: float) -> None:
        self._asleep.wait(timeout_s)

    def flush(self, timeout_s: float) -> int:
        return 0

    def __len__(self) -> int:
        return 0


class Brokers:
    """Confirm each batch as soon as they are asked."""

    def __init__(self) -> None:
        batches = [(partition, 0, 0, -1, 0) for partition in range(4)]
        self._answer = bytes(ProduceResponse_v7([(topic, batches) for topic in TASK.deliver], 0).encode())

    def partitions(self, topic: str) -> int:
        return 4

    def leader(self, topic: str, partition: int) -> int:
        return 1

    def learn(self) -> None:
        """Nothing changes."""

    async def open(self) -> None:
        """It is."""

    async def identity(self) -> tuple[int, int]:
        return 1, 0

    async def produce(self, node: int, body: bytes) -> bytes:
        return self._answer

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def scenes() -> AsyncIterator[Mapping[str, Scene]]:
    """The scenes by name, within a running loop."""
    with immediate():
        sending, express = Producer({}), Express(Brokers())
        express.open()
        await asyncio.sleep(0)
        try:
            yield {**_simple(), "route": _route(express), "deliver": _deliver(), "send": _send(sending)}
        finally:
            await express.close()
            await sending.close(0.1)


@contextmanager
def immediate() -> Iterator[None]:
    """librdkafka is not there."""
    real = vars(producer)["Librdkafka"]
    vars(producer)["Librdkafka"] = Librdkafka
    try:
        yield
    finally:
        vars(producer)["Librdkafka"] = real


def _simple() -> dict[str, Scene]:
    """What takes one event and waits for nothing."""
    decoder, bound = Decoder(), configured(SETTINGS)[0].bound
    value = events.value(1)
    event = decoder.decode(value)
    item, known = bound.item(event), headers.shared(TRACKING.event_id, str(TRACKING.source))
    policy = SETTINGS.retry.policy

    def decide() -> object:
        return retry.decide(
            policy, TRACKING, Outcome.DELIVERED, code="200", ambiguous=False, retry_after_s=None,
            started_ms=1_790_000_000_000, now_ms=1_790_000_000_100, roll=0.5,
        )  # fmt: skip

    def attempt() -> Attempt:
        return Attempt(
            event_id=TRACKING.event_id, destination="d0", source_topic="guard.events", source_partition=1,
            source_offset=123_456, attempt=1, outcome=Ended.DELIVERED, code="200",
            started_ms=1_790_000_000_000, elapsed_ms=3, worker="w1",
        )  # fmt: skip

    async def together() -> None:
        attempts.encode([attempt() for _ in range(EVENTS)])

    return {
        "decode": _often(lambda: decoder.decode(value)),
        "outline": _often(lambda: decoder.outline(value)),
        "headers.write": _often(lambda: headers.write(TRACKING)),
        "headers.read": _often(lambda: headers.read(known, TRACKING.destination)),
        "item": _often(lambda: bound.item(event)),
        "request": _often(lambda: bound.request([item], "key", 1_790_000_000.0)),
        "decide": _often(decide),
        "attempt": together,
    }


def _often(work: Callable[[], object]) -> Scene:
    async def scene() -> None:
        for _ in range(EVENTS):
            work()

    return scene


def _records(topic: str, first: int, *, routed: bool) -> list[Record]:
    return [
        Record(
            topic, 0, number, 0, events.key(number), events.value(number),
            events.routed_headers(TASK.inbound, number) if routed else (),
        )
        for number in range(first, first + EVENTS)
    ]  # fmt: skip


def _route(express: Express) -> Scene:
    audience, letters = Audience(configured(SETTINGS)), Letters(Noted(), NAMES.dlq)
    router = Router(Decoder(), audience, letters, NAMES, express=express)
    records = _records(TASK.inbound, 0, routed=False)

    async def scene() -> None:
        await router.route(records)

    return scene


def _deliver() -> Scene:
    letters = Letters(Noted(), NAMES.dlq)
    bound, topic = configured(SETTINGS)[0].bound, TASK.deliver[0]
    slots = Slots(50)
    lane = Lane(bound, Welcoming(), slots, Masking([]), Health(slots), "d0")
    delivery = Delivery({topic: lane}, Decoder(), Settler(letters, NAMES, "w1"), SETTINGS.retry.policy)
    counter = itertools.count(0, EVENTS)

    async def scene() -> None:
        batch = Batch(Partition(topic, 0), _records(topic, next(counter), routed=True))
        complete = asyncio.Event()
        batch.completed = complete.set
        await delivery.begin(batch)
        await complete.wait()

    return scene


def _send(sending: Producer) -> Scene:
    known = headers.write(TRACKING)
    outgoing = [Outgoing("t", events.value(number), events.key(number), known) for number in range(EVENTS)]

    async def scene() -> None:
        await sending.send(outgoing)

    return scene
