"""The results as a page of tables: bench/results/README.md."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.results import Results, Run, Spread, Summary, summed_up
from bench.systems.base import Workload

TITLES = {
    Workload.ROUTE: "1. Route: each event from one topic to five",
    Workload.DELIVER: "2. Deliver: one POST per event",
    Workload.BATCHED: "3. Deliver in batches: up to 100 events per POST",
    Workload.END_TO_END: "4. End to end: from one topic to five destinations, a POST and a record of it each",
    Workload.RETRY: "5. Retry: every fifth event is answered 503 once and waits 2 s in a delay topic",
}
Row = Mapping[str, Any]


def document(results: Results, plots: Sequence[str]) -> str:
    """The page; `plots` are the files beside it."""
    parts = [
        "# Results\n\nWritten by `make bench`; what is measured and how: "
        "[docs/performance.md](../../docs/performance.md).",
        _conditions(results),
        *(_throughput(results, workload) for workload in Workload),
        _latency(results), _isolation(results), _destinations(results), _memory(results),
        _recovery(results), _scale(results),
        *(f"![{name.removesuffix('.svg')}]({name})" for name in plots),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, the first column left, the others right."""
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join([_line(header), rule, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def spread(value: Spread) -> str:
    """Median and range: `2,786 (2,701-2,803)`."""
    if value.low == value.high:
        return f"{value.median:,.0f}"
    return f"{value.median:,.0f} ({value.low:,.0f}-{value.high:,.0f})"


def _conditions(results: Results) -> str:
    machine, settings, sink = results.machine, results.settings, results.sink
    lines = [
        f"- {machine['when']}, commit {machine['commit'] or 'unknown'}; {machine['cores']} cores of "
        f"{machine['cpu']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"Python {machine['python']}, Apache Kafka {machine['kafka']}.",
        f"- Events of {settings['event_bytes']} bytes, {settings['partitions']} partitions, "
        f"{settings['in_flight']} requests in flight per destination; median of {settings['runs']} "
        f"interleaved runs of about {settings['seconds']:g} s, lowest and highest in brackets.",
        f"- The sink, on the same cores, takes {sink['posts_per_cpu_s']:,.0f} POSTs per CPU-second.",
        *(f"- {results.titles[name]}: {version}." for name, version in results.versions.items()),
        *(f"- Not measured: {name}: {why}" for name, why in results.missing.items()),
        *(f"- Broke off: {what}" for what in results.broken),
    ]
    return "\n".join(lines)


# -- 1 to 5 --------------------------------------------------------------------------------------


def _throughput(results: Results, workload: Workload) -> str:
    runs = [run for run in results.runs if run.workload == workload]
    sums = sorted(summed_up(runs), key=lambda one: -one.per_cpu_s.median)
    if not sums:
        return ""
    ours = next((one.per_cpu_s.median for one in sums if one.system == "distributary"), 0.0)
    unit = "events" if workload is Workload.ROUTE else "deliveries"
    header = [
        "",
        f"{unit} per CPU-second",
        "we are",
        f"{unit} per second",
        "CPUs used",
        "MiB",
        "runs",
        "remarks",
    ]
    rows = [_system(results, one, ours) for one in sums]
    return f"## {TITLES[workload]}\n\n{markdown(header, rows)}\n\n{_others(runs)}"


def _system(results: Results, one: Summary, ours: float) -> list[str]:
    times = f"{ours / one.per_cpu_s.median:.2f}x" if one.runs and ours else ""
    return [
        results.titles.get(one.system, one.system), spread(one.per_cpu_s), times, spread(one.per_s),
        f"{one.cpu_share.median:.2f}", f"{one.rss_mb:,.0f}", str(one.runs), "; ".join(one.faults),
    ]  # fmt: skip


def _others(runs: Sequence[Run]) -> str:
    """What broker and sink took of the cores meanwhile, at most."""
    good = [run for run in runs if run.wall_s]
    broker = max((run.broker_cpu_s / run.wall_s for run in good), default=0)
    sink = max((run.sink_cpu_s / run.wall_s for run in good), default=0)
    return f"Beside them, at most: the broker {broker:.2f} CPUs, the sink {sink:.2f}."


# -- 6 to 10 -------------------------------------------------------------------------------------


def grouped(rows: Sequence[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows of several runs, by what was the same in them."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def _median(rows: Sequence[Row], name: str) -> float:
    return Spread.of([row[name] for row in rows]).median


def _spread(rows: Sequence[Row], name: str) -> str:
    return spread(Spread.of([row[name] for row in rows]))


def _ms(rows: Sequence[Row]) -> list[str]:
    p99 = Spread.of([row["p99"] for row in rows])
    return [
        f"{_median(rows, 'p50'):.1f}",
        f"{p99.median:.1f}" + (f" ({p99.low:.1f}-{p99.high:.1f})" if len(rows) > 1 else ""),
        f"{_median(rows, 'p999'):.1f}",
        f"{max(row['max'] for row in rows):.1f}",
    ]


def _latency(results: Results) -> str:
    groups = grouped(results.rows.get("latency", []), "rate", "system")
    if not groups:
        return ""
    header = ["events per second", "", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPUs used", "remarks"]
    ranked = sorted(groups.items(), key=lambda item: (item[0][0], _median(item[1], "p99")))
    rows = [
        [f"{rate:,}", results.titles.get(name, name), *_ms(rows), f"{_median(rows, 'cpu_share'):.2f}",
         "" if all(row["kept_up"] for row in rows) else "does not keep up"]
        for (rate, name), rows in ranked
    ]  # fmt: skip
    title = "## 6. Latency: from the producer to the destination, through both topics"
    return f"{title}\n\n{markdown(header, rows)}"


def _isolation(results: Results) -> str:
    header = [
        "dead destinations beside it",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "p99 to alone",
        "CPUs used",
    ]
    groups = grouped(results.rows.get("isolation", []), "dead")
    if not groups:
        return ""
    alone = next(_median(rows, "p99") for rows in groups.values())
    rows = [
        [str(dead), *_ms(rows), f"{_median(rows, 'p99') / alone:.2f}x", f"{_median(rows, 'cpu_share'):.2f}"]
        for (dead,), rows in groups.items()
    ]
    rate = results.rows["isolation"][0]["rate"]
    return f"## 7. Isolation: a healthy destination at {rate} events/s\n\n{markdown(header, rows)}"


def _figures(results: Results, kind: str, name: str, title: str, first: Callable[[Any], str]) -> str:
    """A table of throughput by one number."""
    groups = grouped(results.rows.get(kind, []), name)
    header = [name, "deliveries per CPU-second", "per second", "MiB", "remarks"]
    rows = [
        [first(value), _spread(rows, "per_cpu_s"), _spread(rows, "per_s"),
         f"{max(row['rss_mb'] for row in rows):,.0f}", "; ".join({row["fault"] for row in rows} - {""})]
        for (value,), rows in groups.items()
    ]  # fmt: skip
    return f"## {title}\n\n{markdown(header, rows)}" if rows else ""


def _destinations(results: Results) -> str:
    title = "7b. Many destinations: the same deliveries, spread over more topics"
    return _figures(results, "destinations", "destinations", title, "{:,}".format)


def _scale(results: Results) -> str:
    return _figures(results, "scale", "workers", "10. Scale: workers that share the work", str)


def _memory(results: Results) -> str:
    rows = [[f"{row['delayed']:,}", f"{row['rss_mb']:,.0f}"] for row in results.rows.get("memory", [])]
    return f"## 8. Memory\n\n{markdown(['delayed records', 'MiB at most'], rows)}" if rows else ""


def _recovery(results: Results) -> str:
    rows = [[row["what"], f"{row['seconds']:,.1f}"] for row in results.rows.get("recovery", [])]
    return f"## 9. Recovery\n\n{markdown(['', 'seconds'], rows)}" if rows else ""
