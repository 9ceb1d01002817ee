"""What a worker tells Prometheus. Names and labels are part of the promise; changes go to the CHANGELOG."""

from prometheus_client import Counter, Gauge, Histogram

from streams import histogram

ATTEMPTS = Counter("distributary_attempts", "Settled attempts.", ["destination", "outcome", "code"])
AMBIGUOUS = Counter(
    "distributary_ambiguous_attempts",
    "Attempts without an answer after the request was sent: they may have been delivered.",
    ["destination"],
)
SECONDS = histogram.Histogram(
    "distributary_attempt_seconds",
    "Time of one HTTP attempt.",
    "destination",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
LATENESS = Histogram(
    "distributary_release_lateness_seconds",
    "How long after its due time a delayed record was released; never negative.",
    ["tier"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900),
)
ROUTED = Counter(
    "distributary_routed",
    "Events decided: per destination and the rule that kept them back (none: they are on their way); "
    "destination none: records that are no event, and why.",
    ["destination", "rule"],
)
IN_FLIGHT = Gauge("distributary_in_flight", "Records in hand.", ["topic", "partition"])
