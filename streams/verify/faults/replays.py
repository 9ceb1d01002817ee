"""A replay that dies twice beside live traffic, and goes on where it was."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.flight import Partition
from streams.headers import Source
from streams.verify import topics
from streams.verify.faults.base import Scenario
from streams.verify.processes import Process, environment
from streams.verify.repeats import Strike
from streams.verify.stage import Stage, Stuck
from streams.verify.topics import Topics, Way

REPLAY = "verify-replay"
DESTINATION = "moody"


@dataclass(frozen=True)
class ReplayKilled(Scenario):
    """`distributary replay` is killed at two points; the third run of the same id finishes it."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.4)
        stage.load.hold()
        time.sleep(0.05)
        until, sources = datetime.now(UTC).isoformat(), list(stage.load.sources)
        time.sleep(0.05)
        stage.load.go_on()
        self._expect(stage, sources)
        for points in ("after-route-produce:2=kill", "mid-replay:2=kill"):
            if _replay(stage, until, points) != -9:
                raise Stuck(f"the replay did not die at {points}")
            beyond = _not_noted(topics.read(stage.settings))
            stage.strikes.append(Strike(f"the replay killed, {points}", {}, {}, 0.0, others=beyond))
        if status := _replay(stage, until, ""):
            raise Stuck(f"the replay ended with status {status}")

    def _expect(self, stage: Stage, sources: Sequence[Source]) -> None:
        for source in sources:
            fate = stage.load.sources[source].fates[DESTINATION]
            stage.expected[Way(source, DESTINATION, REPLAY)] = fate


def _replay(stage: Stage, until: str, points: str) -> int | None:
    """Run it to its end, whichever that is."""
    verb = ["replay", "--destination", DESTINATION, "--from", "1h", "--to", until, "--id", REPLAY]
    command = environment(points, [*stage.command, *verb, "--config", str(stage.config)])
    process = Process("replay", command, stage.folder / "replay.log")
    try:
        stage.wait("the replay ends", lambda: not process.alive)
    finally:
        process.kill()
    return process.status


def _not_noted(found: Topics) -> int:
    """Records of the replay that are on their topic, and that it does not know of when it goes on."""
    noted: defaultdict[Partition, int] = defaultdict(lambda: -1)
    for note in found.notes:
        if note.replay == REPLAY:
            place = Partition(note.source_topic, note.partition)
            noted[place] = max(noted[place], note.last_offset)
    ours = [one.tracking.source for one in found.deliver if one.tracking.replay == REPLAY]
    return sum(source.offset > noted[Partition(source.topic, source.partition)] for source in ours)


SCENARIOS: tuple[Scenario, ...] = (
    ReplayKilled("kill-mid-replay", "a replay killed at two points beside live traffic, then resumed"),
)
