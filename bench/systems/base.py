"""What the harness and a system under test know of each other.

A system is a folder `bench/systems/<name>/` whose module `system` has `SYSTEM`, an object with the
methods of `System`. `bench/systems/distributary/` is the example to follow.

    install    once per machine: pinned, from the registries, into `home`, which is the system's own
    start      once per run: every topic of the task exists and, but for what is produced while it is
               measured, holds its records; the group is new, so that reading starts at the earliest

Nobody is told to stop: the processes get SIGTERM and, five seconds later, SIGKILL. What is counted is the CPU
time of the processes that `start` returns, of their threads and of their children.
"""

import importlib
import pkgutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Workload(StrEnum):
    """What a system is asked to do. In all of them offsets are committed (at most about a second later)
    only for records whose outcome is certain: written with acks=all and acknowledged, or answered 2xx.

    Events are JSON objects of about 640 bytes; the body of a request is the record's value, or a JSON
    document that has its fields `messageId` and `properties.sentAtNs` (a string) unchanged. Content type
    application/json, keep-alive, plain HTTP/1.1.
    """

    #: From `inbound` each event to every one of the `deliver` topics, value and key unchanged.
    ROUTE = "route"
    #: From each of the `deliver` topics one POST per event to the URL with the same index.
    DELIVER = "deliver"
    #: The same with up to BATCH events per POST, a JSON array of events; none waits longer than a second.
    BATCHED = "batched"
    #: ROUTE and DELIVER at once, by way of the `deliver` topics, and what became of each POST on `attempts`.
    END_TO_END = "end-to-end"
    #: DELIVER, but a POST that is answered 503 must be repeated no sooner than `delay_s` later and not much
    #: later than twice that, by way of the `delay` topic; its offset is committed once it is written there.
    RETRY = "retry"


#: Events of one POST at most, in BATCHED.
BATCH = 100
#: Partitions of each topic.
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """All that a system needs to know for one run."""

    workload: Workload
    bootstrap: str  #: 127.0.0.1:port of the one broker
    prefix: str  #: of every topic of this run; a system that needs more topics makes them with it
    inbound: str  #: the topic with the events
    deliver: tuple[str, ...]  #: one topic per destination: written by ROUTE, read by DELIVER and the others
    delay: str  #: RETRY: where failed events wait
    attempts: (
        str  #: END_TO_END: of each POST event id, destination, status, milliseconds; any format, any records
    )
    delay_s: float  #: RETRY: how long they wait
    urls: tuple[str, ...]  #: one per destination: http://127.0.0.1:port/d0 ...
    group: str  #: the consumer group, or what the names of several begin with: `<group>` or `<group>-...`
    in_flight: int  #: requests under way at once per destination, by the whole system
    folder: Path  #: for this run's config and logs; exists
    workers: int = 1  #: processes to share the work between, for systems that can (scale); else ignored

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics whose committed offsets must reach their ends."""
        match self.workload:
            case Workload.ROUTE:
                return (self.inbound,)
            case Workload.END_TO_END:
                return (self.inbound, *self.deliver)
            case _:
                return self.deliver


class System(Protocol):
    """A system under test."""

    name: str  #: of its folder
    title: str  #: a few words for tables: "Faust agents + httpx"
    version: str  #: what is pinned: "faust-streaming 0.15.3, httpx 0.28.1"

    def paces(self) -> Mapping[Workload, int]:
        """The workloads it can do, and roughly how many events per second (of ROUTE: inbound events; of
        END_TO_END: POSTs; else: deliveries). The number only sets how many events a run gets, so that
        runs of slow and of fast systems last several seconds."""

    def install(self, home: Path) -> None:
        """Make it runnable: pinned versions, from the package registries, into `home`. Does nothing when that
        has been done; prints what it does. Raises Unavailable when it can't be had here."""

    def start(self, task: Task, home: Path) -> list[subprocess.Popen[bytes]]:
        """Start all its processes and return them; their output goes to files in `task.folder`. Best with
        `streams.demo.leash.start(command, task.folder / "x.log")`: they end when the harness does."""


class Unavailable(Exception):
    """A system can't be installed or run on this machine; the message says why, for the results."""


def names() -> list[str]:
    """The systems there are, ours first."""
    here = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg]
    return sorted(here, key=lambda name: (name != "distributary", name))


def find(name: str) -> System:
    """The system of that name."""
    system: System = importlib.import_module(f"bench.systems.{name}.system").SYSTEM
    return system
