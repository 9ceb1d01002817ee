"""The compose file: valid by the Compose Specification, and its parts fit together."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from streams import durations, settings
from streams.demo import jars
from streams.settings import Settings
from tests.deploy.chart import ROOT

DEPLOY = ROOT / "deploy"

Service = dict[str, Any]


@pytest.fixture(scope="module")
def services(compose_spec: Path) -> dict[str, Service]:
    """The services as compose understands them: anchors, merges and defaults resolved."""
    done = subprocess.run(
        [compose_spec, "-format", "json", "compose.yaml"],
        cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Service] = json.loads(done.stdout)["services"]
    return found


@pytest.fixture(scope="module")
def config(services: dict[str, Service]) -> Settings:
    """deploy/distributary.yaml as the worker reads it."""
    text = (DEPLOY / "distributary.yaml").read_text()
    return settings.parse(text, env=services["worker"]["environment"])


def test_a_misspelt_key_would_be_found(compose_spec: Path, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {worker: {image: x, restrat: always}}")
    done = subprocess.run(
        [compose_spec, "compose.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "restrat" in done.stderr


def test_kafka_is_the_one_that_everything_is_tested_on(services: dict[str, Service]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{jars.VERSION}"


def test_the_worker_finds_kafka_where_it_says_it_is(services: dict[str, Service], config: Settings) -> None:
    listeners = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INSIDE://{config.kafka.bootstrap_servers}" in listeners


def test_three_destinations_lead_to_the_demo_server(services: dict[str, Service], config: Settings) -> None:
    port = services["destination"]["command"][-1]
    urls = [destination.settings["url"] for destination in config.destinations]
    assert urls == [f"http://destination:{port}/{destination.name}" for destination in config.destinations]
    assert all(destination.network.allow_private for destination in config.destinations)
    assert len(urls) == 3


def test_each_starts_when_what_it_needs_is_there(services: dict[str, Service]) -> None:
    after = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert after["topics"] == {"kafka": "service_healthy"}
    assert after["worker"] == {"topics": "service_completed_successfully", "destination": "service_started"}
    assert "healthcheck" in services["kafka"]


def test_our_containers_write_nowhere_and_may_nothing(services: dict[str, Service]) -> None:
    for name in ("topics", "destination", "worker"):
        service = services[name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["image"] == "distributary:dev"


def test_nothing_listens_beyond_this_machine(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_a_worker_has_the_time_to_drain(services: dict[str, Service], config: Settings) -> None:
    assert durations.parse(services["worker"]["stop_grace_period"]) >= config.worker.drain + 15
