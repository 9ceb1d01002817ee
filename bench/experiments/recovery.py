"""Workload 9: how soon deliveries go on after a SIGKILL, and how fast a backlog is gone."""

import time

from bench.measure import Player, Stuck, playing
from bench.pace import Paced
from bench.session import Session
from bench.systems.base import System, Workload
from bench.systems.distributary.system import SYSTEM as OURS

RATE = 200
#: What was on the wire when a worker was killed still arrives within this, seconds.
ON_THE_WIRE_S = 0.1
#: The outage whose backlog is drained, and the rate that events came and go on coming at.
OUTAGE_S = 3600
BACKLOG_RATE = 25
QUICK_RATE = 5
LONGEST_DRAIN_S = 300.0
NAMED = ("--instance-id", "bench-0")


def conduct(session: Session) -> None:
    if session.ours is None:
        return
    for what in (_restarted, _taken_over, _backlog):
        try:
            what(session, session.ours)
        except Stuck as fault:
            session.say(f"recovery, {what.__name__.strip('_')}: {fault}")
        session.save()


def _restarted(session: Session, system: System) -> None:
    """One worker, killed and started again at once under its name, as a StatefulSet does."""
    with session.stage.task(Workload.END_TO_END, destinations=1) as task:
        player = Player([OURS.worker(task, 0, *NAMED)])
        try:
            paced = Paced(session.stage, task)
            paced.start(player)
            producing = paced.begin(RATE, 20)
            time.sleep(4)
            session.stage.sink.forget_latencies()
            killed = time.monotonic()
            player.kill()
            time.sleep(ON_THE_WIRE_S)
            before = paced.arrived()
            player.processes.append(OURS.worker(task, 1, *NAMED))
            player.wait("a delivery", lambda: paced.arrived() > before, 60)
            first = time.monotonic() - killed
            paced.end(producing)
            paced.drained(player, 30)
        finally:
            player.stop()
    _note(session, "a worker is killed and restarted: until the next delivery", first)


def _taken_over(session: Session, system: System) -> None:
    """Two workers, one killed and not replaced: how long events of its partitions wait at worst."""
    with session.stage.task(Workload.END_TO_END, destinations=1, workers=2) as task:
        with playing(system, task, session.home_of(system)) as player:
            paced = Paced(session.stage, task)
            paced.start(player)
            player.wait("two members", lambda: session.stage.members(task) == 2, 60)
            paced.produce(RATE, 4)
            session.stage.sink.forget_latencies()
            producing = paced.begin(RATE, 30)
            time.sleep(1)
            player.kill()
            paced.end(producing)
            everything = paced.drained(player, 60)
        longest = session.stage.sink.latencies()["d0"]["max"] / 1e6
    text = "one of two workers is killed: the longest wait of an event"
    _note(session, text if everything else f"{text}; not all had come", longest)


def _backlog(session: Session, system: System) -> None:
    """What an hour without workers has left, while new events keep coming: gone when less than a second's
    worth of these is still on its way."""
    rate = QUICK_RATE if session.order.quick else BACKLOG_RATE
    backlog = rate * OUTAGE_S
    with session.stage.task(Workload.END_TO_END, destinations=1) as task:
        paced = Paced(session.stage, task, sent=backlog)
        session.stage.fill_inbound(task, backlog)
        with playing(system, task, session.home_of(system)) as player:
            player.wait("the first event", lambda: paced.arrived() > 0, 60)
            began = time.monotonic()
            producing = paced.begin(rate, LONGEST_DRAIN_S)

            def behind() -> float:
                return backlog + rate * (time.monotonic() - began) - paced.arrived()

            try:
                player.wait("the end of the backlog", lambda: behind() <= rate, LONGEST_DRAIN_S)
            finally:
                producing.kill()
                producing.communicate()

            took = time.monotonic() - began
    _note(session, f"{backlog:,} events, an hour at {rate}/s, are drained while as many keep coming", took)


def _note(session: Session, what: str, seconds: float) -> None:
    session.results.add("recovery", what=what, seconds=seconds)
    session.say(f"recovery: {what}: {seconds:.1f} s")
