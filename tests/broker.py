"""A Kafka for tests: your own, a container, or a local one, whichever is at hand first.

1. ``KAFKA_BOOTSTRAP_SERVERS``, when set
2. Apache Kafka in a container, where a Docker engine answers (testcontainers)
3. Apache Kafka on this machine's Java (``streams.demo.broker``)
"""

import gc
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from streams.demo import broker as local
from streams.demo import jars, ports
from streams.demo.broker import LocalKafka

IMAGE = f"apache/kafka:{jars.VERSION}"
#: The shortest session that a group's member may ask for, ms: who is killed is missed sooner than Kafka's
#: default of 6 s allows.
SESSIONS = {"group.min.session.timeout.ms": "1000"}


class Broker(Protocol):
    """What any Kafka is to a test; a test that stops or kills its Kafka asks for ``own_broker``."""

    @property
    def bootstrap_servers(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RemoteKafka:
    bootstrap_servers: str


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Kafka for the whole run, shared by all tests: keep apart by ``prefix``."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield RemoteKafka(servers)
    elif docker_answers():
        with container() as contained:
            yield contained
    else:
        with local_kafka(tmp_path_factory.mktemp("kafka")) as kafka:
            yield kafka


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[LocalKafka]:
    """A local Kafka of the test's own, which it may stop, kill and start again."""
    with local_kafka(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.fixture
def prefix() -> str:
    """A prefix for topics and groups that no other test has: ``t-1f0c9a2b.``"""
    return f"t-{secrets.token_hex(4)}."


@contextmanager
def local_kafka(folder: Path) -> Iterator[LocalKafka]:
    """Afterwards only the logs stay: pytest keeps the folders of three runs, and data is large."""
    try:
        with LocalKafka(folder, overrides=SESSIONS) as kafka:
            yield kafka
    finally:
        shutil.rmtree(folder / "data", ignore_errors=True)


def docker_answers() -> bool:
    with warnings.catch_warnings():
        # Where nobody answers, the Docker client leaves its socket to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            client = DockerClient(timeout=2).client
            answers = bool(client.ping())
            client.close()
        except Exception:  # no engine, no permission, no answer: each client library says it in its own way
            answers = False
        gc.collect()
    return answers


@contextmanager
def container() -> Iterator[RemoteKafka]:
    """The same Kafka with the same settings in a container, on a port known before it starts.

    testcontainers' own KafkaContainer is made for Confluent's images, which lag behind Apache's.
    """
    port = ports.free()
    kafka = DockerContainer(IMAGE).with_bind_ports(9092, port)
    servers = f"{kafka.get_container_host_ip()}:{port}"
    settings = (
        local.SETTINGS
        | SESSIONS
        | {
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{servers}",
            "log.dirs": "/tmp/kraft-combined-logs",
        }
    )
    for name, value in settings.items():
        kafka.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    with kafka:
        deadline = time.monotonic() + 120
        while not local.serves(servers):
            assert time.monotonic() < deadline, f"{IMAGE} did not become ready: {kafka.get_logs()}"
        yield RemoteKafka(servers)
