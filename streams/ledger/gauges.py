"""What the ledger tells Prometheus. Names and labels are part of the promise; changes go to the CHANGELOG."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

from streams.ledger.books import Books
from streams.ledger.sums import Sums

#: What is said of every destination: metric, the field of its sums, and in words.
_LINES = (
    ("accepted", "accepted", "Events accepted for the destination, replays included."),
    ("unaccounted", "unaccounted", "Events accepted and nowhere to be found. Must be 0."),
    ("attempts", "attempts", "Attempts made for these events."),
    ("ambiguous_attempts", "ambiguous", "Attempts that were sent and not answered."),
    ("duplicates", "duplicates", "Delivered attempts beyond an event's first."),
    ("duplicates_at_most", "duplicates_at_most", "The same, had every ambiguous attempt been delivered."),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """The last books, and how old they are."""

    books: Books | None = None
    up: bool = False  #: whether the last turn came through
    at_s: float = 0.0  #: when the books were done, epoch seconds
    turn_s: float = 0.0
    records: int = 0

    def failed(self) -> "Figures":
        return replace(self, up=False)


class Collector(PrometheusCollector):
    """The figures as metrics; before the first turn there are none but `up`."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield _single("up", "Whether the last reading of the topics came through.", figures.up)
        if figures.books is None:
            return
        yield _single("age_seconds", "How old these figures are.", max(0.0, time.time() - figures.at_s))
        yield _single("turn_seconds", "How long the last reading took.", figures.turn_s)
        yield _single("records_read", "Records read since this process began.", figures.records)
        lines = sorted(figures.books.destinations.items())
        yield _events(lines)
        for name, field, text in _LINES:
            gauge = GaugeMetricFamily(f"distributary_ledger_{name}", text, labels=["destination"])
            for destination, line in lines:
                gauge.add_metric([destination], getattr(line, field))
            yield gauge
        yield _inbound(figures.books)


def _events(lines: list[tuple[str, Sums]]) -> Metric:
    text = "Where the accepted events are. detail: the rule, the reason or the tier."
    gauge = GaugeMetricFamily("distributary_ledger_events", text, labels=["destination", "state", "detail"])
    for destination, line in lines:
        gauge.add_metric([destination, "delivered", ""], line.delivered)
        gauge.add_metric([destination, "queued", ""], line.queued)
        for state in ("filtered", "dead", "waiting"):
            for detail, count in sorted(getattr(line, state).items()):
                gauge.add_metric([destination, state, detail], count)
    return gauge


def _inbound(books: Books) -> Metric:
    text = (
        "Records of the inbound topic: on it, not routed yet, no events (detail: why), nowhere to be found."
    )
    gauge = GaugeMetricFamily("distributary_ledger_inbound", text, labels=["state", "detail"])
    inbound = books.inbound
    for state in ("records", "queued", "unaccounted"):
        gauge.add_metric([state, ""], getattr(inbound, state))
    for detail, count in sorted(inbound.undecodable.items()):
        gauge.add_metric(["undecodable", detail], count)
    return gauge


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"distributary_ledger_{name}", text, value=value)
