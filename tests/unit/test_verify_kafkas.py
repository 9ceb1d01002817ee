"""Which Kafka a scenario is played on, and how its workers get there."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from streams.demo.kafka_settings import Listener, Node, properties
from streams.verify import cluster as clusters
from streams.verify import faults, processes
from streams.verify.cluster import Cluster, Way
from streams.verify.faults.base import Scenario
from streams.verify.kafkas import Kafkas

LOCAL = [one for one in faults.SCENARIOS if one.only_local]


@pytest.mark.parametrize("scenario", LOCAL, ids=lambda one: one.name)
def test_on_somebodys_cluster_what_needs_ours_is_left_out_and_says_why(
    scenario: Scenario,
) -> None:
    assert scenario.left_out(local=False) == f"{scenario.why_local}, which only a local Kafka is for"


def test_those_that_lose_a_broker_for_good_come_last() -> None:
    assert [one.brokers for one in faults.SCENARIOS] == sorted(one.brokers for one in faults.SCENARIOS)
    assert faults.SCENARIOS[-1].name == "broker-lost"


def test_somebodys_cluster_is_taken_as_it_is(tmp_path: Path) -> None:
    theirs = Cluster({"bootstrap_servers": "kafka:9092"})
    found = Kafkas(tmp_path, theirs)
    assert not found.local
    assert found.of(1) is theirs
    found.close()


def test_a_worker_that_comes_another_way_has_the_same_config_otherwise(tmp_path: Path) -> None:
    cluster = Cluster({}, ways={Way.PROXIED: {"bootstrap_servers": "127.0.0.1:7"}})
    config = tmp_path / "distributary.yaml"
    config.write_text("kafka: {bootstrap_servers: 'k:1', prefix: p.}\nworker: {port: 0}\n")

    through = yaml.safe_load(cluster.through(Way.PROXIED, config, 6066).read_text())

    assert through == {
        "kafka": {"bootstrap_servers": "127.0.0.1:7", "prefix": "p."},
        "worker": {"port": 6066},
    }
    assert yaml.safe_load(config.read_text())["kafka"]["bootstrap_servers"] == "k:1"


def test_a_shell_can_not_shift_the_clocks_of_all_workers(tmp_path: Path) -> None:
    plain = processes.environment("", ["distributary"])
    assert plain[plain.index("DISTRIBUTARY_CLOCK_FILE") - 1] == "-u"
    assert f"DISTRIBUTARY_CLOCK_FILE={tmp_path}" in processes.environment("", ["distributary"], tmp_path)


def test_a_listener_sends_clients_to_where_its_proxy_is(tmp_path: Path) -> None:
    proxied = Listener("PROXIED", 4000, advertised=5000)
    node = Node(2, 3000, "L" * 22, voters="1@127.0.0.1:2999,2@127.0.0.1:3000")
    told = properties(tmp_path, 9092, node, [proxied], {"num.io.threads": "2"})
    assert told["listeners"] == (
        "PLAINTEXT://127.0.0.1:9092,PROXIED://127.0.0.1:4000,CONTROLLER://127.0.0.1:3000"
    )
    assert told["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092,PROXIED://127.0.0.1:5000"
    assert told["controller.quorum.voters"] == node.voters
    assert (told["node.id"], told["num.io.threads"]) == ("2", "2")


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ([["verify-a.events", "verify-b.events"], ["verify-a.events"], ["verify-b.events"]], []),
        ([["verify-a.events"]] * 99, ["verify-a.events"]),
    ],
    ids=["a broker that names it a while yet", "what is not deleted"],
)
def test_what_a_broker_names_for_good_is_left_behind(
    answers: list[list[str]], left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named: Iterator[list[str]] = iter(answers)
    admin: Any = SimpleNamespace(
        list_topics=lambda **_: SimpleNamespace(topics=dict.fromkeys(next(named))),
        list_consumer_groups=lambda **_: SimpleNamespace(result=lambda: SimpleNamespace(valid=[])),
    )
    now = iter(range(1000))
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None)
    monkeypatch.setattr(clusters, "asks", lambda _: admin)
    monkeypatch.setattr(clusters, "time", clock)
    settings: Any = SimpleNamespace(kafka=SimpleNamespace(prefix="verify-a."))

    assert clusters.left_behind(settings) == left
