"""`distributary verify` as a user runs it: a short selection, and nothing of it stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.broker import Broker

FAULTS = "kill-after-route-produce,versions"


def left_on(broker: Broker) -> set[str]:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    groups = admin.list_consumer_groups(request_timeout=10).result().valid
    there = {*admin.list_topics(timeout=10).topics, *(group.group_id for group in groups)}
    return {name for name in there if name.startswith("verify-")}


def test_nothing_is_lost_whatever_dies_and_nothing_is_left_behind(broker: Broker, tmp_path: Path) -> None:
    # Given a config file that says no more than where Kafka is
    config = tmp_path / "ours.yaml"
    config.write_text(
        f"inbound: {{topic: ours}}\nkafka: {{bootstrap_servers: '{broker.bootstrap_servers}'}}\n"
        "destinations: [{name: ours, connector: webhook, settings: {url: 'https://example.com'}}]\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    page = tmp_path / "report.html"
    selection = ["--faults", FAULTS, "--events", "150", "--seed", "1", "--html", str(page)]

    # When some scenarios are played there
    ran = subprocess.run(
        [sys.executable, "-m", "streams.cli", "verify", "--config", str(config), *selection, "--json"],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    # Then all pass, with something to show for it
    found = json.loads(ran.stdout)
    assert found["passed"], (ran.stdout, ran.stderr)
    assert ran.returncode == 0
    assert [one["name"] for one in found["scenarios"]] == FAULTS.split(",")
    for one in found["scenarios"]:
        assert one["expected"] == one["actual"]
        assert one["pairs"] > 400
        assert 0 <= one["duplicates"] <= one["bound"]
        assert one["lateness_ms"]["300ms"]["count"] > 10
    # and the page says the same
    told = page.read_text()
    assert "distributary verify: passed" in told
    assert all(f">{name}<" in told for name in FAULTS.split(","))
    # and the cluster is as it was
    assert left_on(broker) == set()
