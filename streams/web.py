"""What a worker answers over HTTP: whether it lives, whether it works, and its metrics."""

import time
from typing import Any

from prometheus_client import generate_latest

from streams import metrics

#: A partition with records in hand, none of which has finished for this long, is stuck: restart the worker.
#: Far beyond the longest request (120 s) and the longest pause between tries of ours (30 s).
STUCK_S = 600.0


def pages(app: Any) -> None:
    """Add the pages to the app's web server (port 6066)."""

    @app.page("/healthz", name="healthz")
    async def healthz(view: Any, request: Any) -> Any:
        """Liveness: the event loop turns, and no partition is stuck."""
        stuck = stuck_partitions(app, time.monotonic())
        return view.json({"stuck": stuck}, status=503 if stuck else 200)

    @app.page("/readyz", name="readyz")
    async def readyz(view: Any, request: Any) -> Any:
        """Readiness: a member of the group, no rebalance under way, and Kafka takes what we write."""
        refused = app.refused()
        ready = app.consumer_generation_id > 0 and not app.rebalancing and not refused
        return view.json({"ready": ready, "refused": refused}, status=200 if ready else 503)

    @app.page("/metrics", name="metrics")
    async def scrape(view: Any, request: Any) -> Any:
        """Prometheus text."""
        metrics.IN_FLIGHT.clear()  # else a partition that moved away keeps its last value
        for tp, flight in app.consumer.flights:
            metrics.IN_FLIGHT.labels(tp.topic, tp.partition).set(flight.in_flight)
        return view.bytes(generate_latest(), content_type="text/plain")


def stuck_partitions(app: Any, now: float) -> list[str]:
    """Partitions with records in hand that have made no progress; waiting in a delay tier is none."""
    return [
        f"{tp.topic}/{tp.partition}"
        for tp, flight in app.consumer.flights
        if len(flight) and app.window(tp.topic).batches > 1 and now - flight.progress_at > STUCK_S
    ]
