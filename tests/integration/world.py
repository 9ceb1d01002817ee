"""Topics, destinations and workers of a test, and what it may do with them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import ConsumerGroupState, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from streams import codec, commands
from streams.commands import Books
from streams.headers import Header, Source
from streams.settings import load
from tests.broker import Broker
from tests.integration.events import Event, fate
from tests.integration.processes import Ran, Worker, wait_until
from tests.integration.reading import Reading, Way
from tests.integration.scripted import Scripted

#: What ${PASSWORD} in a world's config stands for.
PASSWORD = "correct-horse-battery-staple"

#: How long a write to Kafka may take, and how often it is tried.
FLUSH_S, TRIES = 20.0, 3
#: A machine that is busy may be silent for longer than the second that our brokers allow.
SHORTEST_SESSION_MS = 2_000


class World(Reading):
    """Topics, destinations and workers of one test, or of one file of tests."""

    def __init__(
        self, broker: Broker, prefix: str, folder: Path, there: Scripted, config: Mapping[str, Any]
    ) -> None:
        self.broker = broker
        self.prefix = prefix
        self.folder = folder
        self.there = there
        self.config = config
        self.env = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "PASSWORD": PASSWORD}
        self.path = self.write_config("distributary")
        self.environment = {**os.environ, **self.env}
        super().__init__(load(self.path, self.environment))
        self.inbound = self.settings.inbound.topic
        self.workers: list[Worker] = []
        self.sources: list[Source] = []  #: of every inbound record, in the order sent
        self.sent: dict[Source, Event] = {}  #: the events among them
        self.expected: dict[Way, str] = {}
        self._destinations = {one.name: (one.when.types, one.bound()) for one in self.settings.destinations}
        quiet = self.settings.kafka.confluent("test") | {"log_level": 0}
        self.admin = AdminClient(quiet)
        large = {"message.max.bytes": 8 << 20, "linger.ms": 5}
        self._writes = quiet | large | {"enable.idempotence": True, "topic.metadata.refresh.interval.ms": 500}
        self._producer = Producer(self._writes)
        self._stuck: list[Producer] = []

    def write_config(self, name: str, **sections: Mapping[str, Any]) -> Path:
        """Write NAME.yaml: the world's config, with these settings of some sections changed."""
        changed = {section: {**self.config[section], **new} for section, new in sections.items()}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**self.config, **changed}, sort_keys=False))
        return path

    # -- processes -----------------------------------------------------------------------------

    def start_worker(
        self, *options: str, ready: bool = True, module: str = "streams.cli", **settings: Any
    ) -> Worker:
        """Start a worker; `settings` are of the config's worker section, for this one only."""
        name = f"worker-{len(self.workers) + 1}"
        config = self.write_config(name, worker=settings)
        worker = Worker(config, self.folder / f"{name}.log", self.env, *options, module=module)
        self.workers.append(worker)
        if ready:
            worker.wait_ready()
        return worker

    def start_workers(
        self, count: int, *options: str, module: str = "streams.cli", **settings: Any
    ) -> list[Worker]:
        """Start several at once; returns when all have joined the group."""
        started = [self.start_worker(*options, ready=False, module=module, **settings) for _ in range(count)]
        for worker in started:
            worker.wait_ready()
        self.wait_members(len([worker for worker in self.workers if worker.alive]))
        return started

    @cached_property
    def brief(self) -> str:
        """The session timeout of a worker that is to be missed soon: the shortest that the broker allows.

        For workers that are killed. One that the others starve for so long is expelled, and what it had in
        hand is repeated.
        """
        [number, *_] = self.admin.list_topics(timeout=10).brokers
        resource = ConfigResource(ResourceType.BROKER, str(number))
        found = self.admin.describe_configs([resource], request_timeout=10)[resource].result()
        return f"{max(SHORTEST_SESSION_MS, int(found['group.min.session.timeout.ms'].value))}ms"

    def members(self) -> int:
        """How many workers share the partitions; 0 during a rebalance."""
        asked = self.admin.describe_consumer_groups([self.settings.kafka.group], request_timeout=10)
        try:
            group = asked[self.settings.kafka.group].result()
        except KafkaException:
            return 0
        return len(group.members) if group.state == ConsumerGroupState.STABLE else 0

    def wait_members(self, count: int, within_s: float = 60) -> None:
        wait_until(f"{count} members", lambda: self.members() == count, within_s)

    def cli(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        """Run `distributary ARGUMENTS` to its end."""
        done = subprocess.run(
            self.command(*arguments), env={**self.environment, **(env or {})}, input=stdin,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str) -> list[str]:
        """`distributary ARGUMENTS --config FILE`; a --config among the arguments wins."""
        config = () if "--config" in arguments else ("--config", str(self.path))
        return [sys.executable, "-m", "streams.cli", *arguments, *config]

    # -- producing -----------------------------------------------------------------------------

    def send(
        self,
        *events: Event,
        encode: Callable[[Event], bytes] = codec.encode_json,
        own: Sequence[Header] = (),
        **place: Any,
    ) -> list[Source]:
        """Write events to the inbound topic; notes what should become of each, at each destination.

        `own` are the producer's headers; `place` is confluent-kafka's key, partition and timestamp.
        """
        sources = self.produce(self.inbound, [encode(event) for event in events], own, **place)
        for source, event in zip(sources, events, strict=True):
            self.note(source, event)
        return sources

    def note(self, source: Source, event: Event) -> None:
        """Say that an event is on the inbound topic."""
        self.sources.append(source)
        self.sent[source] = event
        for name in self.names.destinations:
            self.expect(source, name, self.fate(event, name))

    def send_as_written(self, value: bytes, own: Sequence[Header] = (), **place: Any) -> Source:
        """Write one event in JSON, byte for byte."""
        [source] = self.send(json.loads(value), encode=lambda _event: value, own=own, **place)
        return source

    def send_bytes(
        self, value: bytes | None, becomes: str, own: Sequence[Header] = (), **place: Any
    ) -> Source:
        """Write one record that is no event; `becomes`: ``undecodable not-json``."""
        [source] = self.produce(self.inbound, [value], own, **place)
        self.sources.append(source)
        self.expected[Way(source, "")] = becomes
        return source

    def expect(self, source: Source, destination: str, becomes: str, replay: str | None = None) -> None:
        """Say what should become of an event where its script does not tell."""
        self.expected[Way(source, destination, replay)] = becomes

    def fate(self, event: Event, name: str) -> str:
        """What should become of an event at a destination, by its script."""
        types, bound = self._destinations[name]
        if event["type"] not in types:
            return "filtered types"
        if event["type"] not in bound.connector.accepts:
            return "filtered unsupported-type"
        return fate(event, len(self.settings.retry.plan) + 1)

    def produce(
        self, topic: str, values: Sequence[bytes | None], own: Sequence[Header] = (), **place: Any
    ) -> list[Source]:
        """Write records to any topic; where they are."""
        places: dict[int, Source] = {}

        def report(index: int) -> Callable[[Any, Any], None]:
            def confirmed(error: Any, message: Any) -> None:
                assert error is None, error
                places[index] = Source(topic, message.partition(), message.offset())

            return confirmed

        left: Sequence[int] = range(len(values))
        for _ in range(TRIES):
            for index in left:
                self._producer.produce(
                    topic, values[index], headers=list(own), on_delivery=report(index), **place
                )
                self._producer.poll(0)
            if not self._producer.flush(FLUSH_S):
                break
            self._stuck.append(self._producer)  # librdkafka's may stand still (`streams.lookout`)
            self._producer = Producer(self._writes)
            left = [index for index in left if index not in places]
        return [places[index] for index in range(len(values))]

    # -- sums ----------------------------------------------------------------------------------

    def status(self) -> Books:
        return commands.status(self.settings)

    def wait_settled(self, within_s: float = 60) -> Books:
        """The sums, as soon as every record sent is routed and nothing is queued or waiting."""
        deadline = time.monotonic() + within_s
        while True:
            books = self.status()
            if self._is_over(books):
                return books
            assert time.monotonic() < deadline, f"not settled within {within_s:g} s: {books.as_json()}"
            time.sleep(0.1)

    def one_waits(self) -> bool:
        """Whether one event waits at each destination, and everything else has come to its end."""
        books = self.status()
        if books.inbound.records < len(self.sources) or books.inbound.queued:
            return False
        return all(line.waiting.total() == 1 and not line.queued for line in books.destinations.values())

    def _is_over(self, books: Books) -> bool:
        on_the_way = any(line.queued or line.waiting.total() for line in books.destinations.values())
        return books.inbound.records >= len(self.sources) and not (books.inbound.queued or on_the_way)
