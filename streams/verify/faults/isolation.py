"""What a dead destination costs a healthy one: its latency alone and beside dead ones, in the same run."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams import codec, commands
from streams.verify import cast, comparison, latency, topics
from streams.verify.cast import STEADY, Port, Role
from streams.verify.comparison import Comparison, Measured
from streams.verify.destination import Arrival
from streams.verify.faults.base import Alone
from streams.verify.stage import Stage

#: Events per second for the healthy one, always, and for each dead one, half of the time. So few that no
#: core is ever busy: what would show then is the machine, not a destination that holds up another.
RATE = 25
#: How long there are events for the healthy one alone; how long for all, and then the dead ones go on until
#: their last event has been given up; how long at first nothing counts. Seconds.
ALONE_S, BESIDE_S, WARM_UP_S = 6.0, 5.0, 4.0
#: How long that may take: 125 events for each, several attempts, about ten a second (streams/health.py).
GIVEN_UP_S = 150.0
DEAD_TYPES = ("group",)
DEAD = (
    Role("black-hole", ((1, ("hang",)),), DEAD_TYPES, in_flight=150),
    Role("refusing", ((1, (503,)),), DEAD_TYPES, Port.CLOSING, in_flight=150),
    Role("failing", ((1, (503,)),), DEAD_TYPES, in_flight=150),
)

#: What the healthy one's p99 beside dead ones may be of its p99 alone; and on a machine that is busy with
#: other things, where work costs all other work (up to 4.6 was seen; slots that are shared make it 75).
MOST, MOST_IF_BUSY = 1.1, 10.0
#: Times in records are whole milliseconds: less than this can't be told.
GRAIN_S = 0.001
#: Processes that want a core, per core (the system's load average): we alone want about half a core each.
LOAD, BUSY = "load average of the machine", 2.0
Interval = tuple[float, float]


@dataclass(frozen=True)
class Isolation(Alone):
    """Phase after phase only the healthy one gets events, then the dead ones, too.

    One worker has them all: two could share them so that the healthy one is on another than the dead ones.
    """

    def counts(self, events: int) -> int:
        return int(RATE * self.seconds)

    def prepare(self, stage: Stage) -> None:
        super().prepare(stage)
        stage.there.tell(port=Port.CLOSING, open=False)

    def inject(self, stage: Stage) -> None:
        time.sleep(WARM_UP_S)
        turn = 0
        while stage.load.running:
            for _ in range(int(ALONE_S)):
                _given_up(stage)  # alone, too: looking must not be what makes the difference
            self._trouble(stage, turn)
            stage.wait("the dead ones' events are given up", lambda: _given_up(stage), GIVEN_UP_S)
            turn += 1
            busiest = max(float(stage.figures.get(LOAD, 0)), os.getloadavg()[0])
            stage.figures[LOAD] = round(busiest, 1)

    def _trouble(self, stage: Stage, turn: int) -> None:
        """The events of a phase for the dead ones, at their pace."""
        due = time.monotonic()
        for number in range(int(RATE * BESIDE_S)):
            due += 1 / RATE
            event = {"type": DEAD_TYPES[0], "userId": "u1"}
            scripts = {role.name: steps for role in DEAD for _, steps in role.answers}
            made = cast.planned(f"dead-{turn}-{number}", event, scripts, self.roles, stage.rules())
            stage.write(codec.encode_json(dict(made.event)), made)
            time.sleep(max(0.0, due - time.monotonic()))

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        alone, beside = self._measured(stage, arrivals)
        busy = float(stage.figures.get(LOAD, 0)) > BUSY * (os.cpu_count() or 1)
        most = MOST_IF_BUSY if busy else MOST
        found = comparison.compare(alone, beside, most, stage.chance)
        _tell(stage, found, alone, beside)
        if busy:
            stage.notes.append(
                f"this machine was busy with other things: a ratio up to {most:g} was let pass"
            )
        if found.ratio > most and found.beside - found.alone > GRAIN_S and found.is_real:
            yield (
                f"the healthy destination's p99 is {found.alone * 1000:.0f} ms alone and "
                f"{found.beside * 1000:.0f} ms beside dead ones: {found.ratio:.2f} times as much, and "
                f"{most:g} may be; by chance that comes about in {found.by_chance:.1%} of cases"
            )

    def _measured(self, stage: Stage, arrivals: Sequence[Arrival]) -> tuple[list[Measured], list[Measured]]:
        """What events for the healthy one took, those begun while no dead one had any, and the others."""
        written = latency.when_written(stage)
        troubled, ready = _troubled(stage), stage.load.began + WARM_UP_S
        alone: list[Measured] = []
        beside: list[Measured] = []
        for source, took in latency.of_load(stage, arrivals, STEADY.name).items():
            if (at := written[source]) >= ready:
                there = any(began <= at + took and at <= ended for began, ended in troubled)
                (beside if there else alone).append((at, took))
        return alone, beside


def _given_up(stage: Stage) -> bool:
    """Whether nothing is queued or waiting for the dead ones; looked at so seldom that it costs nothing."""
    time.sleep(1.0)
    names = stage.names
    theirs = [*(names.deliver(role.name) for role in DEAD), *names.all_delay]
    with commands.scanner(stage.settings) as scanner:
        partitions = scanner.partitions(theirs)
        committed, ends = scanner.committed(partitions), scanner.ends(partitions)
    return all(committed.get(place, 0) >= end for place, end in ends.items())


def _troubled(stage: Stage) -> list[Interval]:
    """From the writing of the first event for the dead ones to the end of the last attempt, per phase."""
    found: dict[str, Interval] = {}
    for attempt in topics.read(stage.settings).attempts:
        if attempt.destination != STEADY.name:
            phase = attempt.event_id.split("-")[1]
            began, ended = found.get(phase, (float("inf"), 0.0))
            at = attempt.started_ms / 1000
            found[phase] = min(began, at), max(ended, at + attempt.elapsed_ms / 1000)
    return list(found.values())


def _tell(stage: Stage, found: Comparison, alone: Sequence[Measured], beside: Sequence[Measured]) -> None:
    for name, values in (("alone", alone), ("beside dead ones", beside)):
        for share in (0.5, 0.99):
            took = comparison.quantile((took for _, took in values), share)
            stage.figures[f"healthy one {name}, p{share * 100:.0f}, ms"] = round(took * 1000, 1)
        stage.figures[f"healthy one {name}, events"] = len(values)
    stage.figures["p99 beside / alone"] = round(found.ratio, 3)
    stage.figures["... that it is above what is allowed comes by chance in so many of cases"] = round(
        found.by_chance, 3
    )


SCENARIOS: tuple[Alone, ...] = (
    Isolation(
        "isolation",
        "a healthy destination alone, and beside a black hole, a refusing and a failing one, by turns",
        roles=(STEADY, *DEAD),
        seconds=80.0,  # four rounds, where nothing else keeps the machine busy
        once=True,
    ),
)
