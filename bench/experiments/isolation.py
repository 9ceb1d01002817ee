"""Workload 7: what dead destinations cost a healthy one, and what many destinations cost."""

from bench import measure
from bench.experiments import throughput
from bench.measure import Load, Stuck, playing
from bench.pace import Paced
from bench.session import Session
from bench.systems.base import System, Workload
from streams.demo import ports

RATE = 200
DEAD = (0, 1, 20)
COUNTS = (1, 10, 100, 1000)
#: What fails waits for so long: nothing comes back while it is measured.
DELAY_S = 600.0
#: Until every slot of those that never answer is taken.
WARM_S = 5.0


def beside_dead(session: Session) -> None:
    """p99 of d0 at a steady rate, alone and beside destinations that refuse or never answer, half of each."""
    if session.ours is None:
        return
    for _ in range(session.order.runs):
        for dead in session.order.of(DEAD, DEAD[::2]):
            _healthy(session, session.ours, dead)
            session.save()


def _healthy(session: Session, system: System, dead: int) -> None:
    sink = session.stage.sink
    with ports.refusing() as held:
        refuses = f"http://{ports.LOOPBACK}:{held.getsockname()[1]}/dead"
        others = [refuses if number % 2 else sink.url(f"d{number}") for number in range(1, dead + 1)]
        urls = [sink.url("d0"), *others]
        with session.stage.task(Workload.END_TO_END, urls, delay_s=DELAY_S) as task:
            for number in range(1, dead + 1):
                sink.behave(f"d{number}", "mute")
            try:
                with playing(system, task, session.home_of(system)) as player:
                    paced = Paced(session.stage, task)
                    paced.start(player)
                    paced.produce(RATE, WARM_S)
                    paced.drained(player, 10)
                    sink.forget_latencies()
                    before = player.usage()
                    paced.produce(RATE, session.order.seconds * 2)
                    used = player.usage().since(before)
                    kept_up = paced.drained(player, 10)
            except Stuck as fault:
                session.say(f"isolation beside {dead} dead: {fault}")
                return
            found = sink.latencies()["d0"]
    share = used / (session.order.seconds * 2)
    ms = {name: found[name] / 1000 for name in ("p50", "p99", "p999", "max")}
    session.results.add("isolation", dead=dead, rate=RATE, kept_up=kept_up, cpu_share=share, **ms)
    session.say(f"isolation: p99 {ms['p99']:.1f} ms beside {dead} dead ones, {share:.0%} of a core")


def many(session: Session) -> None:
    """The same number of deliveries, spread over more and more destinations."""
    if session.ours is None:
        return
    for _ in range(session.order.runs):
        for count in session.order.of(COUNTS, COUNTS[1::2]):
            _spread(session, session.ours, count)
            session.save()


def _spread(session: Session, system: System, count: int) -> None:
    with session.stage.task(Workload.DELIVER, destinations=count, partitions=1) as task:
        load = throughput.size(system.paces()[Workload.DELIVER], Workload.DELIVER, session.order, 1000)
        session.stage.fill_deliver(task, load.count)
        patient = Load(load.count, load.warm, 4 * load.patience_s)
        run = measure.run(session.stage, system, task, session.home_of(system), patient)
    session.results.add(
        "destinations", destinations=count, per_cpu_s=run.per_cpu_s, per_s=run.per_s,
        rss_mb=run.rss_mb, fault=run.fault,
    )  # fmt: skip
    session.say(f"{count} destinations: {throughput.line(run)}, {run.rss_mb:.0f} MiB")
