"""Workload 10: whether an event costs more CPU when several workers share the work."""

from bench import measure
from bench.experiments import throughput
from bench.measure import Player
from bench.results import Run
from bench.session import Session
from bench.systems.base import System, Workload

WORKERS = (1, 2, 4)
JOIN_S = 60.0


def conduct(session: Session) -> None:
    if session.ours is None:
        return
    for _ in range(session.order.runs):
        for workers in session.order.of(WORKERS, WORKERS[:2]):
            run = _shared(session, session.ours, workers)
            session.results.add(
                "scale", workers=workers, per_cpu_s=run.per_cpu_s, per_s=run.per_s,
                rss_mb=run.rss_mb, fault=run.fault,
            )  # fmt: skip
            session.save()
            session.say(f"{workers} workers: {throughput.line(run)}")


def _shared(session: Session, system: System, workers: int) -> Run:
    """DELIVER; there is nothing to do before all have joined, or the first would do it alone."""
    stage = session.stage
    with stage.task(Workload.DELIVER, workers=workers) as task:
        load = throughput.size(system.paces()[Workload.DELIVER], Workload.DELIVER, session.order)

        def fill(player: Player) -> None:
            player.wait(f"{workers} members", lambda: stage.members(task) == workers, JOIN_S)
            throughput.prepare(session, task, load.count)

        return measure.run(stage, system, task, session.home_of(system), load, fill)
