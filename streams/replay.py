"""Re-consuming an archived topic for one destination: from a time to a time, paced, resumable.

A replay decides anew (filters as they are configured now), puts the records on the destination's own
topic, marked with the replay's id, and notes in the routed topic how far it came. That note is also
how it goes on after an interruption: the same id continues where the last note ends.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streams import failpoints
from streams.flight import Partition, Record
from streams.records import readable
from streams.route import Router
from streams.scan import Offsets, Scanner
from streams.topics import Names

#: Records written together.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Job:
    """What to replay. Times are epoch ms; `rate` is in records per second."""

    id: str
    topic: str
    destination: str
    from_ms: int
    to_ms: int
    rate: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """The offsets to read, after what an earlier run of the same replay has done."""

    starts: Offsets
    ends: Offsets

    @property
    def total(self) -> int:
        return sum(max(0, end - self.starts[tp]) for tp, end in self.ends.items())


def stretch(scanner: Scanner, names: Names, job: Job) -> Stretch:
    """Where this replay begins or goes on, and where it ends.

    Raises:
        LookupError: there is no such topic.
    """
    partitions = scanner.partitions([job.topic])
    if not partitions:
        raise LookupError(f"no topic {job.topic!r}")
    starts = scanner.at_time(partitions, job.from_ms)
    for tp, done in _done(scanner, names, job).items():
        starts[tp] = max(starts.get(tp, 0), done)
    return Stretch(starts, scanner.at_time(partitions, job.to_ms))


def _done(scanner: Scanner, names: Names, job: Job) -> dict[Partition, int]:
    """How far earlier runs of the same job came, from their notes in the routed topic."""
    found: dict[Partition, int] = {}
    for records in scanner.read({}, scanner.ends(scanner.partitions([names.routed]))):
        for routed in readable(record.value for record in records):
            to = {lane.destination for lane in routed.lanes}
            if routed.replay == job.id and routed.source_topic == job.topic and to <= {job.destination, ""}:
                tp = Partition(routed.source_topic, routed.partition)
                found[tp] = max(found.get(tp, 0), routed.last_offset + 1)
    return found


@dataclass
class Replay:
    """One run of a replay."""

    scanner: Scanner
    router: Router
    job: Job

    async def run(self, what: Stretch, progress: Callable[[int, int], None]) -> int:
        """Replay the stretch; `progress` is told how many of how many are done. Returns the records read."""
        began, count, total = time.monotonic(), 0, what.total
        chunks = self._chunks(what)
        while chunk := await asyncio.to_thread(next, chunks, None):
            await self.router.route(chunk, replay=self.job.id, only=self.job.destination)
            if failpoints.ARMED:
                failpoints.hit("mid-replay")
            count += len(chunk)
            progress(count, total)
            await asyncio.sleep(max(0.0, began + count / self.job.rate - time.monotonic()))
        return count

    def _chunks(self, what: Stretch) -> Iterator[list[Record]]:
        """Records of one partition each, in order, at most CHUNK together."""
        for records in self.scanner.read(what.starts, what.ends):
            by_partition: dict[int, list[Record]] = {}
            for record in records:
                by_partition.setdefault(record.partition, []).append(record)
            for of_one in by_partition.values():
                yield from (of_one[first : first + CHUNK] for first in range(0, len(of_one), CHUNK))
