"""A broker that is gone: killed under load, and stopped for longer than producers wait. Local Kafka only."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.demo.broker import LocalKafka
from streams.producer import SETTINGS
from streams.verify import cluster
from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage


@dataclass(frozen=True)
class BrokerKilled(Scenario):
    """SIGKILL of the broker, and a new one over what it left behind."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.3)
        _gone(stage, LocalKafka.kill, 0)


@dataclass(frozen=True)
class BrokerStopped(Scenario):
    """Longer than the delivery timeout: producers give records up, and write them again."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.1)
        _gone(stage, LocalKafka.stop, float(str(SETTINGS["delivery.timeout.ms"])) / 1000 + 5)


def _gone(stage: Stage, end: Callable[[LocalKafka], None], for_s: float) -> None:
    committed, _ = stage.extent()
    end(stage.kafka.local)
    time.sleep(for_s)
    stage.kafka.local.start()
    stage.admin = cluster.asks(stage.settings)
    stage.struck("the broker was gone", committed=committed, holds=True)
    stage.wait("workers share the partitions again", lambda: stage.members() >= 1, 90)


SCENARIOS: tuple[Scenario, ...] = (
    BrokerKilled(
        "broker-killed", "SIGKILL of the broker under load, and a restart", seconds=15.0, only_local=True
    ),
    BrokerStopped(
        "broker-stopped",
        "the broker stopped for longer than the producer's delivery timeout (30 s), and started again",
        seconds=45.0,
        only_local=True,
    ),
)
