"""A histogram that is cheap to write to: one observation, of each event, is a bisection and two additions.

prometheus_client's own takes a lock for each bucket and sum, and a look-up of the labels: 2 µs a time.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry


class Histogram(Collector):
    """Of one label. Written to on one thread, read on any."""

    def __init__(
        self,
        name: str,
        text: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """`bounds` are the upper ends of the buckets, ascending; what is beyond the last counts, too."""
        self._name, self._text, self._label = name, text, label
        self._bounds = tuple(bounds)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        registry.register(self)

    def observe(self, value: str, amount: float) -> None:
        """One observation, where the label has this value."""
        counts = self._counts.get(value)
        if counts is None:
            self._sums[value] = 0.0  # first: it may be read in between
            counts = self._counts[value] = [0] * (len(self._bounds) + 1)
        counts[bisect_left(self._bounds, amount)] += 1
        self._sums[value] += amount

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        ends = [*map(str, map(float, self._bounds)), "+Inf"]
        for value, counts in list(self._counts.items()):
            total, buckets = 0, []
            for end, count in zip(ends, tuple(counts), strict=True):
                total += count
                buckets.append((end, total))
            family.add_metric([value], buckets, self._sums[value])
        yield family

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Nothing is measured to find out the name."""
        yield HistogramMetricFamily(self._name, self._text, labels=[self._label])
