"""Several local brokers that are one cluster: each a controller too, so that any one of them may be lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.demo import ports
from streams.demo.broker import LocalKafka
from streams.demo.jars import Say
from streams.demo.kafka_settings import Node, cluster_id

#: Two of three copies must have a record before it is confirmed, so one broker may be gone at any moment.
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # A replica that is gone is given up after this; until then nothing it copies is confirmed.
    "replica.lag.time.max.ms": "5000",
    "auto.leader.rebalance.enable": "false",  # leaders move when a test says so
}
#: The heap of each; 4 GB for three would be the default of Kafka's own scripts.
HEAP_MB = 256


class LocalCluster:
    """Three brokers on 127.0.0.1 in folders ``1`` to ``3`` of ``folder``; they end with this process."""

    def __init__(self, folder: Path, *, say: Say | None = None) -> None:
        cluster, taken = cluster_id(), [ports.free() for _ in range(6)]
        nodes = [Node(number, port, cluster) for number, port in enumerate(taken[:3], 1)]
        voters = ",".join(node.voter for node in nodes)
        self.brokers = tuple(
            LocalKafka(
                folder / str(node.id), port, HEAP_MB, REPLICATED,
                node=Node(node.id, node.controller_port, cluster, voters), say=say,
            )
            for node, port in zip(nodes, taken[3:], strict=True)
        )  # fmt: skip

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def start(self) -> None:
        """Start those that do not run, together: one alone would wait for a second for ever."""
        try:
            self._each(lambda broker: broker.start() if broker.pid is None else None)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End all of them in order."""
        self._each(LocalKafka.stop)

    def kill(self) -> None:
        self._each(LocalKafka.kill)

    def _each(self, act: Callable[[LocalKafka], None]) -> None:
        with ThreadPoolExecutor(len(self.brokers)) as pool:
            list(pool.map(act, self.brokers))
