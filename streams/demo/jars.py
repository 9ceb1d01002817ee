"""What a local Kafka is made of: the jars of one Apache Kafka release, and a Java to run them.

The jars come from Maven Central through jgo's resolver, which is plain Python: no Maven, and the
Java that jgo would offer to download is never asked for. They are kept in the user's cache folder,
so only the first clone on a machine waits for them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = "4.3.1"
OLDEST_JAVA = 17

#: Kafka logs through SLF4J, and its pom leaves the choice of the binding to the distribution.
#: Fetched by itself: resolved together with Kafka, its own dependency management would put
#: kafka-clients 3.9 beside a 4.3 broker.
LOG_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")

#: SHA-256 over the names and contents of all 46 jars (see ``digest``). Maven Central's own SHA-1 files
#: come from the same place as the jars, and jgo only warns when they differ.
JARS_SHA256 = "97cac07db54dc36ca47df96ebd642e4d7334d1ab2a92c24d4419a135680a4df0"

#: Takes one line of progress.
Say = Callable[[str], None]


class KafkaUnavailable(Exception):
    """No local Kafka can run here; the text says what is missing and which three ways lead to a broker."""

    WAYS = (
        "Three ways to a broker:\n"
        "  1. a Kafka of your own:  export KAFKA_BOOTSTRAP_SERVERS=host:9092\n"
        "  2. Docker:               docker compose -f deploy/compose.yaml up\n"
        f"  3. Java {OLDEST_JAVA} or newer, by JAVA_HOME or on the PATH, and access to Maven Central once"
    )

    def __init__(self, missing: str) -> None:
        super().__init__(f"{missing}\n{self.WAYS}")


def java() -> str:
    """The path of a Java that is new enough: the one of JAVA_HOME, else the one on the PATH."""
    found = []
    home = os.environ.get("JAVA_HOME")
    for path in (shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")):
        if path and (major := java_version(path)) is not None:
            if major >= OLDEST_JAVA:
                return path
            found.append(f"{path} is Java {major}")
    raise KafkaUnavailable(
        f"Kafka {VERSION} needs Java {OLDEST_JAVA} or newer: {', '.join(found) or 'no Java was found'}."
    )


def java_version(path: str) -> int | None:
    """The major version of a Java (8 for ``1.8.0_412``); None when it does not answer like one."""
    try:
        asked = [path, "-version"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(version[1]) if version else None


def cache() -> Path:
    """The user's cache folder: $XDG_CACHE_HOME/distributary, else ~/.cache/distributary."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distributary"


def kafka_jars(say: Say) -> Path:
    """The folder with Kafka's jars; fetched whole and checked, or not there at all.

    Two processes may fetch at once: each fills a folder of its own, and the first to finish publishes it.
    """
    jars = cache() / f"kafka-{VERSION}"
    if jars.is_dir():
        return jars
    say(f"fetching Apache Kafka {VERSION} (45 MB, once) into {jars}")
    try:
        jars.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=jars.parent) as folder:
            fetched = Path(folder) / "jars"
            fetch(fetched, say)
            publish(fetched, jars)
    except KafkaUnavailable:
        raise
    except Exception as error:  # jgo fails in many ways: requests, RuntimeError, XML errors on a proxy's page
        raise KafkaUnavailable(f"Fetching Kafka {VERSION} failed: {type(error).__name__}: {error}") from error
    return jars


def fetch(folder: Path, say: Say) -> None:
    """Download the release and everything it runs with into a new folder, and check it."""
    folder.mkdir()
    for jar in resolve(folder.with_name("repository"), say):
        jar.rename(folder / jar.name)
    if (found := digest(folder)) != JARS_SHA256:
        raise KafkaUnavailable(f"The fetched jars are not those of Kafka {VERSION}: their digest is {found}.")


def publish(fetched: Path, jars: Path) -> None:
    """Give the fetched folder its name, unless another process was first."""
    try:
        fetched.rename(jars)
    except OSError:
        if not jars.is_dir():
            raise


def resolve(repository: Path, say: Say) -> Iterator[Path]:
    """Every jar of the release, as files of a throw-away Maven repository."""
    try:
        from jgo.maven import Dependency, MavenContext, PythonResolver
    except ImportError as error:
        raise KafkaUnavailable("The package jgo is missing: pip install 'distributary[demo]'.") from error
    resolver = PythonResolver(progress_callback=Progress(say))
    maven = MavenContext(repo_cache=repository, resolver=resolver, timeout=60)

    def artifact(group: str, name: str, version: str) -> Any:
        return maven.project(group, name).at_version(version).artifact()

    release = Dependency(artifact("org.apache.kafka", "kafka_2.13", VERSION))
    inputs, transitive = resolver.resolve([release])
    yield from (dependency.artifact.resolve() for dependency in [*inputs, *transitive])
    yield artifact(*LOG_BINDING).resolve()


def digest(folder: Path) -> str:
    """One SHA-256 over the names and contents of a folder's jars, in order of name."""
    total = hashlib.sha256()
    for jar in sorted(folder.glob("*.jar")):
        total.update(jar.name.encode() + b"\0" + hashlib.sha256(jar.read_bytes()).digest())
    return total.hexdigest()


class Progress:
    """A line every few seconds while jgo fetches; in the shape of jgo's ``progress_callback``."""

    EVERY_S = 3.0

    def __init__(self, say: Say) -> None:
        self.say = say
        self.files = 0
        self.bytes = 0
        self.said_at = time.monotonic()

    @contextmanager
    def __call__(self, _file: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield self.add
        self.files += 1

    def add(self, count: int) -> None:
        self.bytes += count
        if time.monotonic() - self.said_at > self.EVERY_S:
            self.said_at = time.monotonic()
            self.say(f"  {self.files} files, {self.bytes / 1e6:.0f} MB")
