"""`make bench-check`: whether an event has become dearer, counted, not timed.

    python -m bench.guard             compare with bench/guard.json; status 1 when something has grown
    python -m bench.guard --accept    these counts are the new baseline

Counted are the bytecode instructions and the calls into C (C_CALL each) that one event takes in each scene of
`bench.hot`: the same on every machine, but not in every Python, so each minor version has a baseline of its
own. What a C function costs is not seen; the microseconds beside it are of this machine and decide nothing.
"""

import argparse
import asyncio
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from bench.hot import EVENTS, Scene, scenes

FILE = Path(__file__).with_name("guard.json")
PYTHON = ".".join(platform.python_version_tuple()[:2])
TOLERANCE = 0.10
#: A call into C counts as so many instructions: about what the call itself takes.
C_CALL = 5
#: So small a growth is no growth, whatever its share.
SMALLEST = 10.0
ROUNDS = 20


@dataclass(frozen=True)
class Count:
    """What one event takes."""

    opcodes: float
    c_calls: float
    #: Instructions by function, those that have a fiftieth of all at least.
    functions: Mapping[str, float]
    us: float = 0.0

    @property
    def cost(self) -> float:
        """What is compared."""
        return self.opcodes + C_CALL * self.c_calls

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Count":
        return cls(found["opcodes"], found["c_calls"], found["functions"])

    def kept(self) -> dict[str, Any]:
        return {"opcodes": self.opcodes, "c_calls": self.c_calls, "functions": dict(self.functions)}


class Tally:
    """Counts what runs on this thread while it is `on`."""

    def __init__(self) -> None:
        self.opcodes: Counter[tuple[str, str]] = Counter()
        self.c_calls = 0

    def __enter__(self) -> "Tally":
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _trace(self, frame: FrameType, event: str, _arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            code = frame.f_code
            self.opcodes[code.co_filename, code.co_qualname] += 1
        return self._trace

    def _profile(self, _frame: FrameType, event: str, _arg: object) -> None:
        if event == "c_call":
            self.c_calls += 1


async def counted() -> dict[str, Count]:
    """Every scene: once to warm up, once counted, and some more times for the microseconds."""
    async with scenes() as found:
        return {name: await _count(scene) for name, scene in found.items()}


async def _count(scene: Scene) -> Count:
    await scene()
    with Tally() as tally:
        await scene()
    began = time.process_time()
    for _ in range(ROUNDS):
        await scene()
    us = (time.process_time() - began) / ROUNDS / EVENTS * 1e6
    total = sum(tally.opcodes.values())
    functions = {
        f"{Path(file).stem}.{name}": round(count / EVENTS, 1)
        for (file, name), count in tally.opcodes.most_common()
        if count >= total / 50
    }
    return Count(round(total / EVENTS, 1), round(tally.c_calls / EVENTS, 1), functions, us)


def grown(now: Mapping[str, Count], before: Mapping[str, Count]) -> list[str]:
    """What has become dearer by more than the tolerance, a line for each."""
    lines = []
    for name, count in now.items():
        if name not in before:
            lines.append(f"{name} is new")
            continue
        old, new = before[name].cost, count.cost
        if new - old > max(TOLERANCE * old, SMALLEST):
            lines.append(f"{name}: {new:g} per event, {old:g} before{_blame(count, before[name])}")
    return [*lines, *(f"{name} is gone" for name in before if name not in now)]


def _blame(now: Count, before: Count) -> str:
    """The functions that grew most."""
    growth = {name: value - before.functions.get(name, 0.0) for name, value in now.functions.items()}
    worst = sorted(growth, key=lambda name: -growth[name])[:3]
    told = [f"{name} +{growth[name]:g}" for name in worst if growth[name] > 1]
    return f" ({', '.join(told)})" if told else ""


def baseline() -> dict[str, Count] | None:
    """The recorded counts of this Python."""
    kept = json.loads(FILE.read_text()).get(PYTHON) if FILE.exists() else None
    return {name: Count.of(found) for name, found in kept.items()} if kept else None


def accept(now: Mapping[str, Count]) -> None:
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    kept[PYTHON] = {name: count.kept() for name, count in now.items()}
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    print(f"{FILE.name}: these are the counts to compare with from now on, with Python {PYTHON}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.guard")
    parser.add_argument("--accept", action="store_true", help="make these counts the baseline")
    options = parser.parse_args()
    now, before = asyncio.run(counted()), baseline()
    print(f"{'per event':<14} {'opcodes':>9} {'C calls':>9} {'cost':>9} {'before':>9} {'CPU us':>9}")
    for name, count in now.items():
        was = (before or {}).get(name, Count(0, 0, {}))
        figures = (count.opcodes, count.c_calls, count.cost, was.cost, count.us)
        print(f"{name:<14}", *(f"{figure:9.1f}" for figure in figures))
    if options.accept:
        accept(now)
    elif before is None:
        sys.exit(f"no counts are recorded for Python {PYTHON}: make bench-check ACCEPT=1")
    elif lines := grown(now, before):
        sys.exit("\n".join(["dearer than recorded:", *lines, "if it must be: make bench-check ACCEPT=1"]))


if __name__ == "__main__":
    main()
