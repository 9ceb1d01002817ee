"""What the figures were measured on, and how."""

import os
import platform
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import events
from bench.session import Order
from bench.stage import IN_FLIGHT
from bench.systems.base import BATCH, PARTITIONS
from streams.demo import jars


def described() -> dict[str, Any]:
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.split()[1]) / 1024**2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kafka": jars.VERSION,
        "commit": said("git", "rev-parse", "--short", "HEAD") + ("+" if said("git", "status", "-s") else ""),
    }


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def said(*command: str) -> str:
    """What a command prints; nothing where there is no such command or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def settings(order: Order) -> dict[str, Any]:
    """What was the same for every system."""
    return {
        **asdict(order),
        "partitions": PARTITIONS,
        "in_flight": IN_FLIGHT,
        "batch": BATCH,
        "event_bytes": len(events.value(0)),
    }
