"""Draws results.json as SVG. Run by `bench.plots` in an environment that has matplotlib and nothing of ours.

python draw.py <folder with results.json>
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
from matplotlib import pyplot  # noqa: E402

WORKLOADS = ("route", "deliver", "batched", "end-to-end", "retry")
OURS, OTHERS = "#0b6e8a", "#b9c3c9"


def main(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    throughput(results, folder / "throughput.svg")
    latency(results, folder / "latency.svg")
    destinations(results, folder / "destinations.svg")


def throughput(results: dict[str, Any], file: Path) -> None:
    """Bars: events per CPU-second of each system, one panel per workload, with the range of the runs."""
    found: Any = defaultdict(lambda: defaultdict(list))
    for run in results["runs"]:
        if run["ok"] and run["cpu_s"]:
            found[run["workload"]][run["system"]].append(run["events"] / run["cpu_s"])
    panels = [workload for workload in WORKLOADS if found[workload]]
    if not panels:
        return
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(8, 2.1 * len(panels)), squeeze=False)
    for axis, workload in zip(axes[:, 0], panels, strict=True):
        ranked = sorted(found[workload].items(), key=lambda item: statistics.median(item[1]))
        names = [results["titles"].get(name, name) for name, _ in ranked]
        medians = [statistics.median(values) for _, values in ranked]
        ranges = [[m - min(v) for m, (_, v) in zip(medians, ranked, strict=True)],
                  [max(v) - m for m, (_, v) in zip(medians, ranked, strict=True)]]  # fmt: skip
        colours = [OURS if name == "distributary" else OTHERS for name, _ in ranked]
        bars = axis.barh(names, medians, xerr=ranges, color=colours, ecolor="#555", capsize=2)
        axis.bar_label(bars, [f"{median:,.0f}" for median in medians], padding=4, fontsize=8)
        axis.set_title(workload, loc="left", fontsize=10)
        axis.margins(x=0.15)
        plain(axis)
    axes[-1, 0].set_xlabel("events per CPU-second of the system")
    save(figure, file)


def latency(results: dict[str, Any], file: Path) -> None:
    """Lines: p50 and p99 by rate, one colour per system."""
    found: Any = defaultdict(lambda: defaultdict(list))
    for row in results["rows"].get("latency", []):
        if row["kept_up"]:
            found[row["system"]][row["rate"]].append(row)
    if not found:
        return
    figure, axis = pyplot.subplots(figsize=(8, 4))
    for number, (name, rates) in enumerate(found.items()):
        colour = OURS if name == "distributary" else f"C{number}"
        for quantile, style in (("p99", "-"), ("p50", ":")):
            values = [statistics.median(row[quantile] for row in rows) for rows in rates.values()]
            label = results["titles"].get(name, name) if quantile == "p99" else None
            axis.plot(list(rates), values, style, marker="o", color=colour, label=label)
    axis.set(xscale="log", yscale="log", xlabel="events per second", ylabel="ms: p99 (lines), p50 (dots)")
    axis.set_xticks([200, 1000, 3000], ["200", "1,000", "3,000"])
    axis.legend(fontsize=8, frameon=False)
    plain(axis)
    save(figure, file)


def destinations(results: dict[str, Any], file: Path) -> None:
    """A line: deliveries per CPU-second by number of destinations."""
    found: Any = defaultdict(list)
    for row in results["rows"].get("destinations", []):
        found[row["destinations"]].append(row["per_cpu_s"])
    if not found:
        return
    figure, axis = pyplot.subplots(figsize=(8, 3))
    axis.plot(list(found), [statistics.median(values) for values in found.values()], marker="o", color=OURS)
    axis.set(xscale="log", xlabel="destinations", ylabel="deliveries per CPU-second", ylim=(0, None))
    plain(axis)
    save(figure, file)


def plain(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)


def save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
