"""What a run gave, how runs are summed up, and the file they are kept in."""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one system. Without a fault every event came out and every offset was committed."""

    system: str
    workload: str
    events: int  #: counted ones, between warm-up and end
    wall_s: float
    cpu_s: float  #: of the system, all its processes
    broker_cpu_s: float
    sink_cpu_s: float
    rss_mb: float  #: of the system at its peak
    repeated: int = 0  #: deliveries of what had been delivered
    commit_s: float = 0.0  #: from the last event to the last commit
    fault: str = ""  #: why the figures mean nothing, or what is wrong with the system
    ok: bool = True  #: the figures mean something, whatever `fault` says

    @property
    def per_cpu_s(self) -> float:
        return self.events / self.cpu_s if self.cpu_s else 0.0

    @property
    def per_s(self) -> float:
        return self.events / self.wall_s if self.wall_s else 0.0


class Spread(NamedTuple):
    """The median of several runs, and the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Summary:
    """The runs of one system at one workload."""

    system: str
    workload: str
    runs: int
    per_cpu_s: Spread
    per_s: Spread
    cpu_share: Spread  #: CPU-seconds of the system per second
    rss_mb: float  #: the highest
    faults: tuple[str, ...]


def summed_up(runs: Iterable[Run]) -> list[Summary]:
    """One summary for each system and workload, in the order of their first runs."""
    together: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        together[run.workload, run.system].append(run)
    return [_summary(group) for group in together.values()]


def _summary(runs: Sequence[Run]) -> Summary:
    good = [run for run in runs if run.ok and run.events]
    nothing = Spread(0.0, 0.0, 0.0)
    return Summary(
        runs[0].system,
        runs[0].workload,
        len(good),
        Spread.of([run.per_cpu_s for run in good]) if good else nothing,
        Spread.of([run.per_s for run in good]) if good else nothing,
        Spread.of([run.cpu_s / run.wall_s for run in good]) if good else nothing,
        max((run.rss_mb for run in good), default=0.0),
        tuple(sorted({run.fault for run in runs if run.fault})),
    )


@dataclass
class Results:
    """Everything one call of the bench has found; kept as bench/results/results.json."""

    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)  #: system -> what is pinned
    titles: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  #: system -> why it could not be had
    broken: list[str] = field(default_factory=list)  #: experiments that broke off, and why
    settings: dict[str, Any] = field(default_factory=dict)
    sink: Mapping[str, float] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    #: kind of experiment -> its rows, flat: latency, isolation, destinations, memory, recovery, scale
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, kind: str, **row: Any) -> None:
        self.rows.setdefault(kind, []).append(row)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> "Results":
        found = json.loads(file.read_text())
        return cls(**found | {"runs": [Run(**run) for run in found["runs"]]})
