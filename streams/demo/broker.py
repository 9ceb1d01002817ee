"""A local Apache Kafka: one KRaft node on the loopback, started with java itself, gone with its owner.

For the demo, the tests and a developer's desk; a production Kafka looks different. Everything it
writes lies in one folder::

    data/               the log: stop the broker and delete the folder to begin anew
    server.properties   rewritten at every start
    kafka.log           what the broker says; kafka.out: what the JVM says
    kafka.pid           the process, for as long as it runs
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from streams.demo import jars, leash, ports
from streams.demo.jars import KafkaUnavailable, Say
from streams.demo.kafka_settings import JVM, LOGGING, SETTINGS, SOON, Listener, Node, cluster_id, properties

__all__ = ["SETTINGS", "KafkaUnavailable", "LocalKafka"]

READY_WITHIN_S = 90.0


class LocalKafka:
    """One Kafka broker on 127.0.0.1 whose log lives in ``folder``.

    ``port``: None picks a free one and keeps it over restarts. ``overrides``: broker settings, by
    Kafka's names. ``listeners``: ways in besides the plain one. ``node``: its part in a cluster of
    several; alone by default. ``soon``: it is there sooner, and slower when it has run for minutes.
    ``detached``: the broker outlives this process, and
    ``LocalKafka(folder).stop()`` ends it later; otherwise it dies with this process. ``say`` takes
    each line of progress (stderr by default).

    Raises KafkaUnavailable from ``start`` when Java or the download is missing or the broker ends
    at once; the text says which.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        heap_mb: int = 512,
        overrides: Mapping[str, str] | None = None,
        *,
        listeners: Sequence[Listener] = (),
        node: Node | None = None,
        soon: bool = True,
        detached: bool = False,
        say: Say | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.port = port or ports.free()
        self.node = node or Node(1, ports.free(), cluster_id())
        self.listeners = tuple(listeners)
        self.jvm = (f"-Xmx{heap_mb}m", *JVM, *(SOON if soon else ()))
        self.overrides = dict(overrides or {})
        self.detached = detached
        self.say = say or say_to_stderr
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{ports.LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process: ours, or a detached one that holds the folder; None when none runs."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        return int(self._pid_file.read_text()) if self._held() and self._pid_file.exists() else None

    def start(self) -> None:
        """Start the broker and return when it takes records and serves consumer groups."""
        if self.pid is not None:
            raise KafkaUnavailable(f"A broker runs in {self.folder} already: stop it with `kill {self.pid}`.")
        began = time.monotonic()
        java = self._java()
        self._write_settings()
        self._format(java)
        self.say(f"starting Kafka {jars.VERSION}")
        logging = f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties"
        command = [*java, logging, "kafka.Kafka", str(self._settings_file)]
        self._process = leash.start(command, self.folder / "kafka.out", leashed=not self.detached)
        self._pid_file.write_text(str(self._process.pid))
        try:
            self._wait_until_ready()
        except BaseException:  # Ctrl-C, too
            self.kill()
            raise
        self.say(f"ready on {self.bootstrap_servers} in {time.monotonic() - began:.1f} s")

    def stop(self, timeout_s: float = 20) -> None:
        """End the broker in order (SIGTERM); after ``timeout_s`` at once. Fine when none runs."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End the broker at once (SIGKILL), as a power cut would."""
        self._end(signal.SIGKILL, 20)

    def tool(self, main: str, *arguments: str) -> None:
        """Run one of Kafka's own commands, by the name of its class, on this broker.

        Raises:
            RuntimeError: it failed; the text is what it said.
        """
        command = [*self._java(), main, "--bootstrap-server", self.bootstrap_servers, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"{main} failed: {(done.stderr or done.stdout).strip()}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "kafka.pid"

    @property
    def _settings_file(self) -> Path:
        return self.folder / "server.properties"

    def _java(self) -> list[str]:
        return [jars.java(), *self.jvm, "-cp", f"{jars.kafka_jars(self.say)}/*"]

    def _held(self) -> bool:
        """Whether a live broker holds the folder.

        Asked of the lock Kafka itself takes on its log: unlike a file's presence it dies with the process,
        so what a killed run left behind blocks nobody.
        """
        try:
            with (self.folder / "data" / ".lock").open("r+b") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _write_settings(self) -> None:
        settings = properties(self.folder, self.port, self.node, self.listeners, self.overrides)
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        self._settings_file.write_text("".join(lines))
        (self.folder / "log4j2.properties").write_text(LOGGING.format(folder=self.folder))

    def _format(self, java: list[str]) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        self.say(f"formatting {self.folder / 'data'}")
        command = [*java, "kafka.tools.StorageTool", "format"]
        command += ["--cluster-id", self.node.cluster, "--config", str(self._settings_file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise KafkaUnavailable(f"Formatting {self.folder} failed: {(done.stderr or done.stdout).strip()}")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while self.pid is not None and time.monotonic() < deadline:
            if ports.answers(self.port) and serves(self.bootstrap_servers):
                return
            time.sleep(0.02)
        state = "is not ready" if self.pid else "ended"
        raise KafkaUnavailable(f"Kafka {state}; its last words in {self.folder}:\n{self._last_words()}")

    def _last_words(self) -> str:
        lines = [line for name in ("kafka.out", "kafka.log") for line in tail(self.folder / name)]
        errors = [line for line in lines if "ERROR" in line or "Exception" in line]
        return "\n".join(errors[-5:] or lines[-5:])

    def _end(self, how: signal.Signals, timeout_s: float) -> None:
        pid = self.pid
        if pid is not None:
            signal_process(pid, how)
            if not self._gone_within(timeout_s):
                signal_process(pid, signal.SIGKILL)
                self._gone_within(20)
        if self._process is not None:
            leash.let_go(self._process)
            self._process = None
        self._pid_file.unlink(missing_ok=True)

    def _gone_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def say_to_stderr(line: str) -> None:
    sys.stderr.write(f"kafka: {line}\n")
    sys.stderr.flush()


def signal_process(pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def serves(bootstrap_servers: str) -> bool:
    """Whether the broker hands out producer ids, takes part in the cluster and coordinates groups.

    All three are slow the first time only: left to the first real client, they cost it 3 s.
    """
    quiet = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
    producer = Producer(quiet | {"enable.idempotence": True})
    consumer = Consumer(quiet | {"group.id": "distributary-ready-check"})
    try:
        brokers = producer.list_topics(timeout=5).brokers
        consumer.committed([TopicPartition("distributary-ready-check", 0)], timeout=10)
    except KafkaException:
        return False
    finally:
        consumer.close()
    return bool(brokers)


def tail(file: Path, lines: int = 200) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-lines:] if file.exists() else []
