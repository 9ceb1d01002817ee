"""The local Kafka keeps what it was given, comes back from the dead, and dies with its owner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.demo import jars, leash
from streams.demo.broker import KafkaUnavailable, LocalKafka
from tests.broker import Broker


def create(broker: Broker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)


def produce(broker: Broker, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


async def consume(broker: Broker, topic: str, count: int) -> set[bytes]:
    """As Faust does: a member of a consumer group of the classic protocol."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        group_id=f"{topic}.{time.time_ns()}",
        auto_offset_reset="earliest",
    )
    async with consumer:
        return {(await consumer.getone()).value or b"" for _ in range(count)}


def gone(pid: int, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        if not state or state.startswith("Z"):
            return True
        time.sleep(0.02)
    return False


def owner(script: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """Another Python that starts a process, prints its id and waits; and that id."""
    python = subprocess.Popen(
        [sys.executable, "-c", f"{script}\ninput()", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert python.stdout is not None
    return python, int(python.stdout.readline())


def kill(python: subprocess.Popen[str]) -> None:
    python.kill()
    python.communicate()


async def test_records_reach_a_consumer_group(broker: Broker, prefix: str) -> None:
    topic = f"{prefix}letters"
    create(broker, topic)

    produce(broker, topic, b"a", b"b", b"c")

    assert await consume(broker, topic, 3) == {b"a", b"b", b"c"}


async def test_records_outlive_a_stop_and_a_kill(own_broker: LocalKafka) -> None:
    # Given one record written before an orderly stop, and one before a kill -9
    servers = own_broker.bootstrap_servers
    create(own_broker, "kept")
    produce(own_broker, "kept", b"before the stop")
    own_broker.stop()
    own_broker.start()
    produce(own_broker, "kept", b"before the kill")
    own_broker.kill()
    assert own_broker.pid is None

    # When it starts again over what the killed process left behind
    (own_broker.folder / "kafka.pid").write_text(str(os.getpid()))
    own_broker.start()

    # Then both are there, at the same address
    assert own_broker.bootstrap_servers == servers
    assert await consume(own_broker, "kept", 2) == {b"before the stop", b"before the kill"}


def test_a_broker_that_ends_at_once_says_why(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path, overrides={"num.io.threads": "none"})

    with pytest.raises(KafkaUnavailable, match=r"num\.io\.threads"):
        kafka.start()

    assert kafka.pid is None


START = """
import sys
from pathlib import Path
from streams.demo.broker import LocalKafka
kafka = LocalKafka(Path(sys.argv[1]), detached=sys.argv[2] == "detached")
kafka.start()
print(kafka.pid, flush=True)
"""


def test_the_broker_dies_with_its_owner(tmp_path: Path) -> None:
    python, pid = owner(START, str(tmp_path), "leashed")

    kill(python)

    assert gone(pid)


def test_a_detached_broker_outlives_its_owner_until_it_is_stopped(tmp_path: Path) -> None:
    # Given a broker whose owner was killed
    python, pid = owner(START, str(tmp_path), "detached")
    kill(python)
    assert not gone(pid, within_s=0.5)

    # Then no other starts in its folder
    kafka = LocalKafka(tmp_path)
    with pytest.raises(KafkaUnavailable, match=rf"runs in .* already: stop it with `kill {pid}`"):
        kafka.start()

    # And anybody can stop it
    kafka.stop()
    assert gone(pid)
    assert kafka.pid is None


LEASH = """
import sys, threading
from pathlib import Path
from streams.demo import leash
def start():
    print(leash.start(["sleep", "60"], Path(sys.argv[1])).pid, flush=True)
thread = threading.Thread(target=start)
thread.start()
thread.join()
"""


def test_a_leashed_process_outlives_the_thread_that_started_it_but_not_the_process(tmp_path: Path) -> None:
    python, pid = owner(LEASH, str(tmp_path / "out"))
    assert not gone(pid, within_s=0.2)

    kill(python)

    assert gone(pid)


def test_a_process_that_was_let_go_leaves_no_watcher_to_kill_its_successor(tmp_path: Path) -> None:
    process = leash.start(["sleep", "60"], tmp_path / "out")
    session = str(process.pid)

    process.send_signal(signal.SIGTERM)
    process.wait(30)
    leash.let_go(process)

    deadline = time.monotonic() + 30
    while subprocess.run(["ps", "-o", "pid=", "-s", session], capture_output=True).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_java_the_error_names_three_ways_to_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(KafkaUnavailable) as error:
        LocalKafka(tmp_path / "kafka").start()

    for words in ("no Java was found", "KAFKA_BOOTSTRAP_SERVERS", "docker compose", "Java 17"):
        assert words in str(error.value)


def fake_java(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-04-16' >&2\n")
    java.chmod(0o755)
    return java


def test_an_old_java_is_named_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = fake_java(tmp_path, "1.8.0_412")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(KafkaUnavailable, match=f"{java} is Java 8"):
        jars.java()


def test_an_old_java_home_does_not_hide_a_newer_java_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_java(tmp_path / "old", "11.0.2")
    new = fake_java(tmp_path / "new", "21")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", str(new.parent))

    assert jars.java() == str(new)


def refuse(*_: object) -> None:
    raise ConnectionError("no route to the repository")


def write_other_jars(folder: Path, _say: Callable[[str], None]) -> list[Path]:
    folder.mkdir()
    (folder / "kafka.jar").write_bytes(b"something else")
    return [folder / "kafka.jar"]


@pytest.mark.parametrize(
    ("resolve", "reason"),
    [(refuse, "no route to the repository"), (write_other_jars, "are not those of Kafka")],
)
def test_a_failed_download_is_named_and_leaves_nothing_behind(
    resolve: Callable[..., list[Path]], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(jars, "resolve", resolve)

    with pytest.raises(KafkaUnavailable, match=reason):
        jars.kafka_jars(say=lambda _line: None)

    assert list((tmp_path / "distributary").iterdir()) == []
