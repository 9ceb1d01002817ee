"""Workload 6: from the producer to the destination, at steady rates, for every system."""

from bench.measure import Player, Stuck, playing
from bench.pace import Paced
from bench.session import Session
from bench.systems.base import System, Workload

RATES = (200, 1000, 3000)
#: Who is further behind than this when the last event is sent, seconds, does not keep up with the rate.
BEHIND_S = 1.0
#: The last events of a rate may take so long; higher rates are not tried with who needs longer.
DRAIN_S = 10.0
#: A rate is held for so long before it is counted.
WARM_S = 1.5
#: Fewer events than this say little about one in a thousand.
LEAST, QUICK_LEAST = 2000, 500


def conduct(session: Session) -> None:
    for _ in range(session.order.runs):
        for system in session.able(Workload.END_TO_END):
            with session.stage.task(Workload.END_TO_END, destinations=1) as task:
                try:
                    with playing(system, task, session.home_of(system)) as player:
                        paced = Paced(session.stage, task)
                        paced.start(player)
                        for rate in session.order.of(RATES, RATES[:2]):
                            if not _at(session, system, paced, player, rate):
                                break
                except Stuck as fault:
                    session.say(f"latency {system.name}: {fault}")
            session.save()


def _at(session: Session, system: System, paced: Paced, player: Player, rate: int) -> bool:
    """One rate; False when the system is so far behind that higher ones need not be tried."""
    sink, order = session.stage.sink, session.order
    seconds = max(order.seconds, (QUICK_LEAST if order.quick else LEAST) / rate)
    paced.produce(rate, WARM_S)
    paced.drained(player, DRAIN_S)
    sink.forget_latencies()
    before = player.usage()
    said = paced.produce(rate, seconds)
    used = player.usage().since(before)
    kept_up = paced.sent - paced.arrived() <= BEHIND_S * rate
    drained = paced.drained(player, DRAIN_S)
    found = sink.latencies().get("d0", {})
    ms = {name: found.get(name, 0) / 1000 for name in ("p50", "p90", "p99", "p999", "max")}
    session.results.add(
        "latency", system=system.name, rate=rate, kept_up=kept_up, cpu_share=used / seconds,
        producer_late_ms=said["late_ms"], count=found.get("count", 0), **ms,
    )  # fmt: skip
    shown = ", ".join(f"{name} {value:.1f}" for name, value in ms.items())
    session.say(f"latency {system.name} at {rate}/s: {shown} ms{'' if kept_up else ' (does not keep up)'}")
    return drained
