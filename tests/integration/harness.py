"""A small world for a test: topics of its own, a scripted destination, and workers that are real processes.

    with world(broker, prefix, tmp_path, {"crm": {}, "ads": {"when": {"types": ["track"]}}}) as w:
        w.start_worker()
        w.send(track("e1", [503, 200]), identify("e2"))
        assert_books_balance(w)

What an event should come to follows from its script (`World.expected`); `assert_books_balance` waits
until nothing is on its way, and compares that with what the topics say and with what the destination saw.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from connectors.event import EVENT_TYPES
from streams import commands, topics
from streams.demo import ports
from tests.broker import Broker
from tests.integration.balance import assert_books_balance
from tests.integration.events import Event, identify, track
from tests.integration.processes import Ran, Worker, wait_until
from tests.integration.reading import Way, header
from tests.integration.scripted import Arrival, Scripted, Step
from tests.integration.world import PASSWORD, World

__all__ = [
    "PASSWORD", "SECRET", "Arrival", "Destinations", "Event", "Ran", "Scripted", "Step", "Way", "Worker",
    "World", "assert_books_balance", "header", "identify", "track", "wait_until", "world",
]  # fmt: skip

#: name -> what differs from a webhook to the scripted destination's path of that name
Destinations = Mapping[str, Mapping[str, Any]]
#: In the worker's config by reference to a file; must never be seen anywhere else.
SECRET = "whsec_aW50ZWdyYXRpb24tdGVzdHMtb25seS1zZWNyZXQ="
KAFKA: Mapping[str, Any] = {"partitions": 2, "replication_factor": 1}
WORKER: Mapping[str, Any] = {"host": ports.LOOPBACK, "port": 0, "drain": "5s", "session_timeout": "6s"}
#: Waits that a test can wait for; the code is that of minutes and hours. The budget outlasts a slow machine:
#: what should be delivered must not be exhausted instead.
RETRY: Mapping[str, Any] = {
    "tiers": ["300ms", "600ms", "1200ms"],
    "plan": ["300ms", "300ms", "600ms", "1200ms"],
    "budget": "5m",
    "jitter": 0.15,
}


@contextmanager
def world(
    broker: Broker,
    prefix: str | None,
    folder: Path,
    destinations: Destinations,
    **sections: Mapping[str, Any],
) -> Iterator[World]:
    """A world with its topics made and no worker yet; everything it started ends with it.

    `prefix`: None makes one up, for a world that several tests share.
    `sections`: what differs in `kafka`, `retry` (instead of RETRY) or `worker`.
    """
    prefix = prefix or f"t-{secrets.token_hex(4)}."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret").write_text(SECRET)
    with Scripted() as there:
        config = _config(prefix, folder, there, destinations, sections)
        made = World(broker, prefix, folder, there, config)
        states = commands.topics_of(made.settings, create=True)
        assert all(state.status is topics.Status.CREATED for state in states), states
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
            with suppress(KafkaException):
                made.admin.delete_topics([state.topic.name for state in states], request_timeout=10)


def _config(
    prefix: str,
    folder: Path,
    there: Scripted,
    destinations: Destinations,
    sections: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        "inbound": {"topic": f"{prefix}events"},
        "kafka": {"prefix": prefix, "group": f"{prefix}workers", **KAFKA, **sections.get("kafka", {})},
        "worker": {**WORKER, **sections.get("worker", {})},
        "retry": dict(sections.get("retry", RETRY)),
        "destinations": [_destination(name, folder, there, more) for name, more in destinations.items()],
    }


def _destination(name: str, folder: Path, there: Scripted, more: Mapping[str, Any]) -> dict[str, Any]:
    secret = {"secret": f"${{file:{folder}/secret}}"} if more.get("connector", "webhook") == "webhook" else {}
    return {
        "name": name,
        "connector": "webhook",
        "when": {"types": list(EVENT_TYPES)},
        "limits": {"in_flight": 20, "timeout_s": 2},
        "network": {"allow_private": True},
        **more,
        "settings": {"url": there.url(name), **secret, **more.get("settings", {})},
    }
