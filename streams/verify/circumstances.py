"""What a reader needs to repeat a run: the command, the versions, the machine."""

import os
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata

import confluent_kafka

from streams.demo import jars


def found(arguments: Sequence[str], *, local: bool) -> dict[str, str]:
    """`arguments`: of `distributary`, without its own name; `local`: the Kafka is ours."""
    return {
        "command": shlex.join(("distributary", *arguments)),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "distributary": metadata.version("distributary"),
        "kafka": f"{jars.VERSION}, local" if local else "a cluster that was given",
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
        "machine": f"{_cores()} cores, {platform.machine()}, {platform.system()} {platform.release()}",
    }


def _cores() -> int:
    """Those that we may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
