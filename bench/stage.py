"""Where the systems play: one broker, one sink, and for each run topics of its own."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from bench import events, sink
from bench.sink import Sink
from bench.systems.base import PARTITIONS, Task, Workload
from streams import durations
from streams.demo.broker import LocalKafka
from streams.headers import Header
from streams.scan import patiently

#: Retries of the RETRY workload wait so long, seconds.
DELAY_S = 2.0
IN_FLIGHT = 50
ANSWER_S = 20.0
#: What a run has deleted is gone soon after: all runs together write more than a small disk holds.
BROKER = {
    "log.segment.delete.delay.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "log.index.interval.bytes": "4096",  # Kafka's default: with our 1 MiB a fetch looks 6 ms for its start
}
LOAD = {
    "acks": "all",
    "linger.ms": 50,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",
    "batch.size": 500_000,
    "queue.buffering.max.messages": 1_000_000,
}


@dataclass
class Stage:
    """The broker, the sink, and what runs have in common."""

    home: Path
    broker: LocalKafka
    sink: Sink
    capacity: Mapping[str, float]
    admin: AdminClient = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.admin = AdminClient({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0})

    @contextmanager
    def task(
        self,
        workload: Workload,
        urls: Sequence[str] = (),
        *,
        destinations: int = 5,
        partitions: int = PARTITIONS,
        workers: int = 1,
        delay_s: float = DELAY_S,
    ) -> Iterator[Task]:
        """A task with topics of its own, for as long as the block runs; the sink has forgotten all."""
        prefix = f"bench{next(self._numbers)}."
        folder = self.home / "runs" / prefix.rstrip(".")
        folder.mkdir(parents=True, exist_ok=True)
        names = tuple(f"d{number}" for number in range(len(urls) or destinations))
        task = Task(
            workload, self.broker.bootstrap_servers, prefix,
            inbound=f"{prefix}events", deliver=tuple(f"{prefix}deliver.{name}" for name in names),
            delay=f"{prefix}delay.{durations.name(delay_s)}", attempts=f"{prefix}attempts", delay_s=delay_s,
            urls=tuple(urls or map(self.sink.url, names)), group=f"{prefix}workers",
            in_flight=IN_FLIGHT, folder=folder, workers=workers,
        )  # fmt: skip
        self.sink.reset()
        self.create([task.inbound, *task.deliver, task.delay, task.attempts], partitions)
        try:
            yield task
        finally:
            self._clear(prefix)

    # -- topics --------------------------------------------------------------------------------

    def create(self, topics: Sequence[str], partitions: int) -> None:
        done(self.admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics]).values())
        deadline = time.monotonic() + ANSWER_S
        while not set(topics) <= set(self.admin.list_topics(timeout=ANSWER_S).topics):
            if time.monotonic() > deadline:
                raise TimeoutError("topics that were created are not there")
            time.sleep(0.05)

    def _clear(self, prefix: str) -> None:
        topics = [name for name in self.admin.list_topics(timeout=ANSWER_S).topics if name.startswith(prefix)]
        with suppress(KafkaException):
            done(self.admin.delete_topics(topics).values())
        for group in self._groups(prefix):
            with suppress(KafkaException):  # killed members are in it until their sessions end
                done(self.admin.delete_consumer_groups([group]).values())

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Of every partition of these topics, where it ends."""
        known = self.admin.list_topics(timeout=ANSWER_S).topics
        places = [TopicPartition(topic, part) for topic in topics for part in known[topic].partitions]

        def ask() -> dict[tuple[str, int], int]:
            asked = self.admin.list_offsets({place: OffsetSpec.latest() for place in places})
            return {(at.topic, at.partition): found.result(ANSWER_S).offset for at, found in asked.items()}

        return patiently(ask)  # a partition that was made a moment ago may have no leader yet

    def written(self, topics: Iterable[str]) -> int:
        """Records on these topics."""
        return sum(self.ends(topics).values())

    # -- groups --------------------------------------------------------------------------------

    def uncommitted(self, task: Task) -> int:
        """Records of the task's inputs that no group of its has committed."""
        committed: dict[tuple[str, int], int] = {}
        for group in self._groups(task.group):
            asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
            for place in asked[group].result(ANSWER_S).topic_partitions:
                at = (place.topic, place.partition)
                committed[at] = max(committed.get(at, 0), place.offset)
        return sum(max(0, end - committed.get(at, 0)) for at, end in self.ends(task.inputs).items())

    def _groups(self, beginning: str) -> list[str]:
        listed = self.admin.list_consumer_groups().result(ANSWER_S).valid
        return [group.group_id for group in listed if group.group_id.startswith(beginning)]

    def members(self, task: Task) -> int:
        """Processes that share the task's partitions."""
        asked = self.admin.describe_consumer_groups([task.group])
        return len(asked[task.group].result(ANSWER_S).members)

    # -- records -------------------------------------------------------------------------------

    def fill_inbound(self, task: Task, count: int) -> None:
        """Write events 0 ... count - 1 to the inbound topic."""
        with self.producer() as write:
            for number in range(count):
                write(task.inbound, events.value(number), events.key(number), ())

    def fill_deliver(self, task: Task, count: int) -> None:
        """Write `count` events in all to the deliver topics, as our router writes them."""
        with self.producer() as write:
            for topic in task.deliver:
                for number in range(count // len(task.deliver)):
                    known = events.routed_headers(task.inbound, number)
                    write(topic, events.value(number), events.key(number), known)

    @contextmanager
    def producer(self) -> Iterator[Callable[[str, bytes, bytes, Sequence[Header]], None]]:
        """A function that writes records; all are on the topics when the block is left."""
        kafka = Producer({**LOAD, "bootstrap.servers": self.broker.bootstrap_servers})

        def write(topic: str, value: bytes, key: bytes, known: Sequence[Header]) -> None:
            while True:
                try:
                    kafka.produce(topic, value, key, headers=list(known))
                    return
                except BufferError:
                    kafka.poll(0.05)

        yield write
        if left := kafka.flush(60):
            raise TimeoutError(f"{left} records could not be written")


def done(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.result(ANSWER_S)


@contextmanager
def opened(home: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    """A stage with a broker and a sink that end with the block."""
    home.mkdir(parents=True, exist_ok=True)
    say("building the sink")
    program = sink.build(home)
    capacity = sink.capacity(program, home)
    say(f"the sink takes {capacity['posts_per_cpu_s']:,.0f} posts per CPU-second of its own")
    folder = home / "kafka"
    remove_data(folder)
    shutil.rmtree(home / "runs", ignore_errors=True)
    with LocalKafka(folder, heap_mb=1024, overrides=BROKER, soon=False) as broker:
        receiver = Sink(program, home)
        try:
            yield Stage(home, broker, receiver, capacity)
        finally:
            receiver.stop()
    remove_data(folder)


def remove_data(folder: Path) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)
