"""Workloads 1 to 5: how many events a CPU-second and a second take, for every system."""

import time
from subprocess import SubprocessError

from confluent_kafka import KafkaException

from bench import measure
from bench.measure import FANNED_OUT, Load
from bench.results import Run
from bench.session import Order, Session
from bench.systems.base import System, Task, Workload

#: A run is warmed up for so long, as far as the system's pace is what it says.
WARM_S = 1.5
#: The broker is, before the first run.
BROKER_WARM_S = 30.0
#: A run may take so many times what the system's pace promises.
PATIENCE = 8.0
#: Records of one run at most: what is preloaded takes time and disk.
MOST = 800_000


def warm_up(session: Session) -> None:
    """Rounds of ROUTE that nobody counts, for as long as the broker's JVM compiles what it is asked for.

    Whoever runs meanwhile shares the cores with that: we came to 30,000 events per CPU-second in the first
    ten seconds of a broker, and to 36,000 after thirty.
    """
    until = time.monotonic() + BROKER_WARM_S
    while (able := session.able(Workload.ROUTE)) and time.monotonic() < until:
        for system in able:
            session.say(
                f"warm-up: {line(play(session, system, Workload.ROUTE, system.paces()[Workload.ROUTE]))}"
            )


def conduct(session: Session, workload: Workload) -> None:
    """Interleaved: every system once, then every system again, sized by how fast it has been."""
    paces = {system.name: system.paces()[workload] for system in session.able(workload)}
    for number in range(session.order.runs):
        for system in session.able(workload):
            run = play(session, system, workload, paces[system.name])
            paces[system.name] = max(paces[system.name], round(run.per_s))
            session.results.runs.append(run)
            session.save()
            session.say(f"{workload} {number + 1}/{session.order.runs} {line(run)}")


def play(session: Session, system: System, workload: Workload, pace: int) -> Run:
    """One run; one that breaks off must not cost the other half hour."""
    try:
        with session.stage.task(workload) as task:
            load = size(pace, workload, session.order, len(task.deliver))
            prepare(session, task, load.count)
            return measure.run(session.stage, system, task, session.home_of(system), load)
    except (KafkaException, OSError, SubprocessError) as error:
        return measure.failed(system, workload, f"{type(error).__name__}: {error}")


def prepare(session: Session, task: Task, count: int) -> None:
    """Fill the topics; let the destinations fail where that is the point."""
    if task.workload in FANNED_OUT:
        session.stage.fill_inbound(task, count)
    else:
        session.stage.fill_deliver(task, count)
    if task.workload is Workload.RETRY:
        for url in task.urls:
            session.stage.sink.behave(url.rpartition("/")[2], "flaky")


def size(pace: int, workload: Workload, order: Order, destinations: int = 5) -> Load:
    """Records for a system of this pace. END_TO_END paces count POSTs: as many fewer events are needed."""
    share = destinations if workload is Workload.END_TO_END else 1
    count = order.events or round(pace / share * (WARM_S + order.seconds))
    count = min(max(count, 20 * destinations), MOST) // destinations * destinations
    warm = round(count * WARM_S / (WARM_S + order.seconds))
    return Load(count, warm, patience_s=30.0 + PATIENCE * count * share / pace)


def line(run: Run) -> str:
    if not run.ok:
        return f"{run.system}: {run.fault}"
    figures = f"{run.per_cpu_s:,.0f} per CPU-second, {run.per_s:,.0f} per second"
    return f"{run.system}: {figures}{', ' * bool(run.fault)}{run.fault}"
