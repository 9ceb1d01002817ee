"""Workload 8: what a worker's memory grows by when records wait."""

import time

from bench import events
from bench.measure import Stuck, playing
from bench.pace import Paced
from bench.session import Session
from bench.systems.base import Task, Workload
from streams import durations, headers
from streams.headers import Source, Tracking

COUNTS = (0, 100_000, 1_000_000)
TIER_S = 3600.0
#: The worker is watched for so long once it is at work.
WATCHED_S, QUICK_S = 10.0, 4.0


def conduct(session: Session) -> None:
    """RSS of our worker with so many records in a delay tier, due in an hour."""
    if session.ours is None:
        return
    for count in session.order.of(COUNTS, COUNTS[:2]):
        with session.stage.task(Workload.END_TO_END, destinations=1, delay_s=TIER_S) as task:
            fill(session, task, count)
            try:
                with playing(session.ours, task, session.home_of(session.ours)) as player:
                    paced = Paced(session.stage, task)
                    paced.start(player)
                    until = time.monotonic() + (QUICK_S if session.order.quick else WATCHED_S)
                    while time.monotonic() < until:
                        paced.produce(100, 1.0)
                        player.usage()
            except Stuck as fault:
                session.say(f"memory with {count} delayed: {fault}")
                continue
        session.results.add("memory", delayed=count, rss_mb=player.rss_mb)
        session.save()
        session.say(f"memory: {player.rss_mb:.0f} MiB at most with {count:,} delayed records")


def fill(session: Session, task: Task, count: int) -> None:
    """Write records to the delay topic as `streams.settle` would have, ten minutes ago."""
    tier, now_ms = durations.name(TIER_S), int(time.time() * 1000)
    due_ms = now_ms + int(TIER_S * 1000)
    with session.stage.producer() as write:
        for number in range(count):
            tracking = Tracking(
                "d0", events.event_id(number), Source(task.inbound, number % 4, number // 4),
                attempt=1, first_attempt_ms=now_ms, deadline_ms=due_ms + 1000, due_ms=due_ms,
                not_before_ms=due_ms, tier=tier, last_error="503",
            )  # fmt: skip
            write(task.delay, events.value(number), events.key(number), headers.write(tracking))
