"""A Quix application for one task: `program <task file> <worker-0 | delay>`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from quixstreams import Application

from bench.systems.quix.sink import HttpSink

PRODUCER = {"acks": "all", "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"}
FLUSH_S = 30.0
#: A commit waits for all that is under way, so it must not come for too few records; nor for so many that
#: memory fills.
COMMIT_EVERY_S = 1.0
COMMIT_EVERY = 10_000


def application(task: dict[str, Any], part: str = "") -> Application:
    return Application(
        broker_address=task["bootstrap"],
        consumer_group=f"{task['group']}{part}",
        auto_offset_reset="earliest",
        commit_interval=COMMIT_EVERY_S,
        commit_every=COMMIT_EVERY,
        processing_guarantee="at-least-once",
        producer_extra_config=PRODUCER,
        state_dir=Path(task["folder"]) / "state",
        auto_create_topics=False,
        loglevel="WARNING",
    )


def topic(app: Application, name: str) -> Any:
    as_it_is: dict[str, Any] = {
        f"{what}_{how}serializer": "bytes" for what in ("key", "value") for how in ("", "de")
    }
    return app.topic(name, **as_it_is)


def route(app: Application, task: dict[str, Any]) -> None:
    events = app.dataframe(topic(app, task["inbound"]))
    for name in task["deliver"]:
        events.to_topic(topic(app, name))


def work(task: dict[str, Any]) -> None:
    app = application(task)
    if task["workload"] in ("route", "end-to-end"):
        route(app, task)
    with app.get_producer() as producer:
        if task["workload"] != "route":
            deliver(app, task, producer)
        app.run()


def deliver(app: Application, task: dict[str, Any], producer: Any) -> None:
    def produce(name: str, value: bytes, key: Any, headers: dict[str, str]) -> None:
        producer.produce(name, value, key, headers=headers)

    def flush() -> None:
        if left := producer.flush(FLUSH_S):
            raise TimeoutError(f"{left} records could not be written")

    sink = HttpSink(task, produce, flush)
    for name in task["deliver"]:
        app.dataframe(topic(app, name)).sink(sink)


def delay(task: dict[str, Any]) -> None:
    """Sleep until a record is due, then put it back on its topic."""
    app = application(task, "-delay")
    topics = {name: topic(app, name) for name in task["deliver"]}

    def wait(_value: Any, _key: Any, _timestamp: int, headers: Any) -> None:
        time.sleep(max(0.0, float(dict(headers)["due"]) - time.time()))

    def back(_value: Any, _key: Any, _timestamp: int, headers: Any) -> Any:
        return topics[dict(headers)["topic"].decode()]

    app.dataframe(topic(app, task["delay"])).update(wait, metadata=True).to_topic(back)
    app.run()


if __name__ == "__main__":
    file, part = sys.argv[1:]
    (delay if part == "delay" else work)(json.loads(Path(file).read_text()))
