"""Three brokers: a leader that goes and comes back, and one that is gone for good."""

from collections import Counter
from dataclasses import dataclass

from confluent_kafka import ElectionType, TopicPartition

from streams.demo.broker import LocalKafka
from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage

NEEDS = "it needs three brokers, and stops some"


def _leads(stage: Stage) -> Counter[int]:
    """Broker -> how many partitions of the scenario it leads."""
    there = stage.admin.list_topics(timeout=15).topics
    ours = [one for name, one in there.items() if name.startswith(stage.names.prefix)]
    return Counter(partition.leader for topic in ours for partition in topic.partitions.values())


def _busiest(stage: Stage) -> LocalKafka:
    """The broker that leads the most."""
    [(busiest, _)] = _leads(stage).most_common(1)
    return next(broker for broker in stage.kafka.brokers if broker.node.id == busiest)


@dataclass(frozen=True)
class LeaderChange(Scenario):
    """A broker is stopped in order, its partitions get other leaders; back, it is made their leader again."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.2)
        leader, led = _busiest(stage), _leads(stage)
        number = leader.node.id
        leader.stop()
        stage.wait("others lead", lambda: not _leads(stage)[number])
        stage.wait_written(0.5)
        leader.start()
        stage.wait("it leads again", lambda: _elected(stage, number, led[number]))
        stage.wait_written(0.8)
        stage.figures["partitions that changed their leader twice"] = led[number]


def _elected(stage: Stage, number: int, many: int) -> bool:
    """Ask for the preferred leaders: refused until the copies have caught up."""
    there = stage.admin.list_topics(timeout=15).topics
    ours = [
        TopicPartition(name, partition)
        for name, one in there.items()
        if name.startswith(stage.names.prefix)
        for partition in one.partitions
    ]
    stage.admin.elect_leaders(ElectionType.PREFERRED, ours).result()
    return _leads(stage)[number] >= many


@dataclass(frozen=True)
class BrokerLost(Scenario):
    """SIGKILL of the broker that leads the most. Nobody starts it again: two of three are enough."""

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.3)
        committed, _ = stage.extent()
        lost = _busiest(stage)
        lost.kill()
        stage.wait("others lead", lambda: not _leads(stage)[lost.node.id])
        stage.struck(f"broker {lost.node.id} gone for good", committed=committed, holds=True)
        stage.wait_members(2)


#: The second one must stay the last: after it there are two.
SCENARIOS: tuple[Scenario, ...] = (
    LeaderChange(
        "leader-change",
        "three brokers: a leader stopped in order, back, and leader again, under load",
        seconds=15.0,
        brokers=3,
        only_local=True,
        why_local=NEEDS,
    ),
    BrokerLost(
        "broker-lost",
        "three brokers: the one that leads the most killed, and gone for good",
        seconds=12.0,
        brokers=3,
        only_local=True,
        why_local=NEEDS,
    ),
)
