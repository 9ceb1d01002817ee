"""A network that fails between workers and a broker that lives: packets lost, connections cut, slow links."""

import time
from dataclasses import dataclass

from streams.verify.cluster import Way
from streams.verify.faults.base import Alone, Scenario
from streams.verify.proxy import Proxy
from streams.verify.stage import Stage, Stuck

NEEDS = "it needs a listener that leads workers through a proxy"


def _network(stage: Stage) -> Proxy:
    assert stage.kafka.network is not None, "only a local broker is behind one"
    return stage.kafka.network


@dataclass(frozen=True)
class Partitioned(Alone):
    """A worker hears nothing for longer than its session, another takes over, and then it is back."""

    def prepare(self, stage: Stage) -> None:
        stage.start_worker(ready=False, config=stage.kafka.through(Way.PROXIED, stage.config))
        stage.wait_members(1)

    def inject(self, stage: Stage) -> None:
        [lonely], network = stage.workers, _network(stage)
        stage.wait_written(0.2)
        committed, _ = stage.extent()
        network.lose()
        stage.start_worker()  # straight
        before = len(stage.arrivals())
        stage.wait("another goes on", lambda: len(stage.arrivals()) > before + 50)
        stage.wait_written(0.7)
        network.heal()
        # What it held back is written when it is back, and it fetches until it learns that it was expelled.
        stage.struck(f"{lonely.name} cut off", committed=committed, holds=True)
        stage.wait_members(2)


@dataclass(frozen=True)
class Flaky(Scenario):
    """Connections end all the time, and the link is slow; nobody is gone, so nothing may be repeated."""

    def prepare(self, stage: Stage) -> None:
        config = stage.kafka.through(Way.PROXIED, stage.config)
        for _ in range(2):
            stage.start_worker(ready=False, config=config)
        stage.wait_members(2)

    def inject(self, stage: Stage) -> None:
        network, cut = _network(stage), 0
        for turn in range(5):
            stage.wait_written(0.15 * (turn + 1))
            cut += network.cut()
            network.slow(0.1 * turn)
        time.sleep(1.0)
        network.heal()
        if not cut:
            raise Stuck("no connection was there to be cut")
        stage.figures["connections cut"] = cut


SCENARIOS: tuple[Scenario, ...] = (
    Partitioned(
        "network-partition",
        "a worker hears nothing from the broker for longer than its session; another takes over; healed",
        seconds=18.0,
        only_local=True,
        why_local=NEEDS,
    ),
    Flaky(
        "network-flaky",
        "connections to the broker reset again and again, and a slow link, for all workers",
        seconds=10.0,
        once=True,
        only_local=True,
        why_local=NEEDS,
    ),
)
