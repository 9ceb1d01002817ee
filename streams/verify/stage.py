"""Where a scenario plays: workers, load, destination and broker, and what is expected of them."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams import commands
from streams.headers import Header, Source
from streams.scan import Offsets
from streams.settings import Settings
from streams.topics import Names
from streams.verify import cluster
from streams.verify.cast import Planned
from streams.verify.cluster import Cluster
from streams.verify.destination import Arrival, Arrivals
from streams.verify.load import Load, Writer
from streams.verify.processes import Destination, Worker
from streams.verify.repeats import ON_THE_WIRE_S, Strike
from streams.verify.script import Rules
from streams.verify.topics import Way

T = TypeVar("T")
#: How long a rebalance, a session's end and a broker's start may take together.
PATIENCE_S = 60.0


class Stuck(Exception):
    """What a scenario waited for did not happen."""


@dataclass
class Stage:
    """What a scenario may touch."""

    settings: Settings
    config: Path
    folder: Path
    command: Sequence[str]  #: how `distributary` is run
    admin: AdminClient
    there: Destination
    load: Load
    chance: random.Random
    kills: int
    kafka: Cluster
    workers: list[Worker] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    #: What happened when (Unix time), for the report.
    moments: list[tuple[float, str]] = field(default_factory=list)
    #: What should become of records that are not of the load.
    expected: dict[Way, str] = field(default_factory=dict)
    records: int = 0  #: records on the inbound topic that are not of the load
    besides: dict[Source, Planned] = field(default_factory=dict)  #: the events among these
    #: Events that another version of ourselves has delivered: the destination never saw them.
    unseen: set[Way] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    #: What a scenario measures besides what every scenario does, for the report: name and unit -> value.
    figures: dict[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names.of(self.settings)
        self.writer = Writer(self.settings)
        self._arrivals = Arrivals(self.there.record)

    # -- workers -------------------------------------------------------------------------------

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def start_worker(
        self, points: str = "", *, ready: bool = True, config: Path | None = None, clock: Path | None = None
    ) -> Worker:
        """Start a worker, `points` armed; returns when it has started, be it not in the group yet.

        `config`: another than the scenario's; `clock`: a file that says how far its clock is off.
        """
        name = f"worker-{len(self.workers) + 1}"
        log = self.folder / f"{name}.log"
        worker = Worker(name, self.command, config or self.config, log, points, clock)
        self.workers.append(worker)
        if ready:
            self.wait(f"{name} is ready", lambda: worker.ready or not worker.alive)
        return worker

    def wait_members(self, count: int) -> None:
        """Return when so many workers share the partitions."""
        self.wait(f"{count} members", lambda: self.members() == count)

    def members(self) -> int:
        """How many workers share the partitions; 0 during a rebalance, and when nobody answers."""
        try:
            return cluster.members(self.admin, self.settings.kafka.group)
        except KafkaException:
            self.admin = cluster.asks(self.settings)  # see there
            return 0

    def kill(self, worker: Worker) -> None:
        """SIGKILL; what it had in hand may be repeated."""
        worker.kill()
        self.struck(f"{worker.name} killed")

    def supervise(self) -> None:
        """Replace workers that ended by themselves, as any deployment does."""
        for worker in self.workers:
            if not worker.alive and not worker.doomed:
                worker.doomed = True
                ended = f"{worker.name} ended by itself, status {worker.status}"
                self.notes.append(f"{ended}: {worker.last_words}")
                if worker.ready:  # else it had nothing in hand: it ends where no broker answers at its start
                    self.struck(f"{worker.name} ended")
                self.start_worker(ready=False)

    def kill_workers(self) -> None:
        for worker in self.workers:
            worker.kill()

    def stop_workers(self) -> float:
        """SIGTERM to all; the longest time that one took to end."""
        took = 0.0
        for worker in self.alive:
            worker.doomed = True
            took = max(took, worker.terminate())
            if worker.status:
                self.notes.append(f"{worker.name} ended with status {worker.status} at SIGTERM")
        return took

    # -- time ----------------------------------------------------------------------------------

    def wait(self, what: str, condition: Callable[[], T], within_s: float = PATIENCE_S) -> T:
        """The condition's value as soon as it is true. Raises Stuck."""
        deadline = time.monotonic() + within_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise Stuck(f"not within {within_s:g} s: {what}")
            time.sleep(0.05)
        return value

    def wait_written(self, share: float) -> None:
        """Return when that share of the load is written."""
        self.wait(f"{share:.0%} of the load", lambda: self.load.written >= share, 300 + self.load.seconds)

    def wait_settled(self, within_s: float) -> None:
        """Return as soon as nothing is queued or waiting: all that is on the topics is committed."""
        deadline = time.monotonic() + within_s
        while not self._is_over():
            self.supervise()
            if time.monotonic() > deadline:
                raise Stuck(f"not settled within {within_s:g} s: {commands.status(self.settings).as_json()}")
            time.sleep(0.3)

    def _is_over(self) -> bool:
        """Asked of offsets alone: the sums take seconds on a long run. What moves between the two looks is
        found, since it is on its next topic before it is committed on the last."""
        committed, ends = self.extent()
        inbound = sum(end for place, end in ends.items() if place.topic == self.settings.inbound.topic)
        expected = len(self.load.sources) + self.records
        return inbound >= expected and all(committed.get(place, 0) >= end for place, end in ends.items())

    def arrivals(self) -> list[Arrival]:
        """What the destination was sent so far."""
        return self._arrivals.read()

    # -- faults --------------------------------------------------------------------------------

    def extent(self) -> tuple[Offsets, Offsets]:
        """How far everything that is consumed is committed, and where it ends."""
        consumed = [self.settings.inbound.topic, *self.names.all_deliver, *self.names.all_delay]
        with commands.scanner(self.settings) as scanner:
            partitions = scanner.partitions(consumed)
            return scanner.committed(partitions), scanner.ends(partitions)

    def struck(
        self,
        what: str,
        *,
        committed: Offsets | None = None,
        holds: bool = False,
    ) -> None:
        """Note a fault that may make work be done twice; `committed`: as it was before, if that counts."""
        self.mark(what)
        until = time.time() + ON_THE_WIRE_S
        now, ends = self.extent()
        self.strikes.append(Strike(what, now if committed is None else committed, ends, until, holds))

    def mark(self, what: str) -> None:
        """Note the moment of something that happens now."""
        self.moments.append((time.time(), what))

    # -- expectations --------------------------------------------------------------------------

    def expectations(self) -> dict[Way, str]:
        """What should become of everything that was written."""
        found = {
            Way(source, name): fate
            for source, planned in self.load.sources.items()
            for name, fate in planned.fates.items()
        }
        return found | self.expected

    @property
    def ids(self) -> dict[Source, str]:
        """What the destination calls each event."""
        return {source: planned.id for source, planned in (self.load.sources | self.besides).items()}

    def rules(self) -> Rules:
        return Rules(self.settings.retry.policy, cluster.TIMEOUT_S)

    def write(
        self, value: bytes | None, becomes: Planned | str, own: Sequence[Header] = (), **place: Any
    ) -> Source:
        """Write one record to the inbound topic besides the load: an event, or what is none and why.

        `place` is Kafka's own: key, partition, timestamp (ms).
        """
        places: list[Source] = []
        self.writer.write(self.settings.inbound.topic, value, places.append, own, **place)
        self.writer.flush()
        self.expect(places[0], becomes)
        return places[0]

    def expect(self, source: Source, becomes: Planned | str) -> None:
        """Note what should become of a record that is on the inbound topic besides the load."""
        self.records += 1
        if isinstance(becomes, str):
            self.expected[Way(source, "")] = becomes
        else:
            self.besides[source] = becomes
            self.expected.update({Way(source, name): fate for name, fate in becomes.fates.items()})

    def expect_instead(self, written: Sequence[Planned], was: str, fate: str) -> None:
        """Expect another fate of events that were written besides the load, where that one was expected."""
        ids = {one.id for one in written}
        for source, planned in self.besides.items():
            if planned.id in ids:
                self.expected.update(
                    {Way(source, name): fate for name, before in planned.fates.items() if before == was}
                )
