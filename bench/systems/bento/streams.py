"""The streams of a task, as Bento's config has them."""

from typing import Any

from bench.systems.base import BATCH, Task, Workload

Part = dict[str, Any]

JSON = {"Content-Type": "application/json"}
RETRY = {"retry_period": "1s", "max_retry_backoff": "10s", "timeout": "10s"}
KEY = '${! metadata("kafka_key") }'
#: Idle connections that one http_client keeps.
KEPT_ALIVE = 2
#: Records that go on together; a batch waits no longer for its last.
TOGETHER = {"count": 500, "period": "20ms"}


def of(task: Task) -> dict[str, Part]:
    """Every stream by its name."""
    found: dict[str, Part] = {}
    if task.workload in (Workload.ROUTE, Workload.END_TO_END):
        found["route"] = route(task)
    if task.workload is not Workload.ROUTE:
        for topic, url in zip(task.deliver, task.urls, strict=True):
            found[f"deliver-{topic.rpartition('.')[2]}"] = DELIVER[task.workload](task, topic, url)
    if task.workload is Workload.RETRY:
        found["delay"] = delay(task)
    return found


def route(task: Task) -> Part:
    """The batches of the input are the batches of the outputs, and are acknowledged when all five are."""
    outputs = [{"kafka_franz": kafka_output(task, topic)} for topic in task.deliver]
    return {
        "input": kafka_input(task, task.inbound, batching=TOGETHER),
        "output": {"broker": {"pattern": "fan_out", "outputs": outputs}},
    }


def deliver(task: Task, topic: str, url: str) -> Part:
    """One event, one request; what fails is repeated until it succeeds (`auto_replay_nacks`)."""
    return {"input": kafka_input(task, topic), "output": http_clients(task, http_client(url))}


def deliver_batches(task: Task, topic: str, url: str) -> Part:
    batching = {"count": BATCH, "period": "500ms", "processors": [{"archive": {"format": "json_array"}}]}
    return {
        "input": kafka_input(task, topic, batching=batching),
        "output": http_clients(task, http_client(url)),
    }


def deliver_recorded(task: Task, topic: str, url: str) -> Part:
    """The request is a processor of the output here, so that its outcome can be written; each of as many
    outputs as may be in flight has one. All write by one producer, the resource `attempts`."""
    attempt = f"""
      root.messageId = @event
      root.destination = "{topic}"
      root.status = @http_status_code.number()
      root.ms = (timestamp_unix_micro() - @began.number()) / 1000
    """
    begin = """
      meta event = this.messageId
      meta began = timestamp_unix_micro()
    """
    processors = [{"mapping": begin}, {"http": http_client(url)}, {"mapping": attempt}]
    recorded = {"processors": processors, "reject_errored": {"resource": "attempts"}}
    return {
        "input": kafka_input(task, topic),
        "output": {"broker": {"pattern": "greedy", "copies": task.in_flight, "outputs": [recorded]}},
    }


def resources(task: Task) -> Part:
    """What all streams share."""
    attempts = kafka_output(task, task.attempts) | {"batching": TOGETHER}
    return {"output_resources": [{"label": "attempts", "kafka_franz": attempts}]}


def deliver_or_put_off(task: Task, topic: str, url: str) -> Part:
    """What fails goes to the delay topic, with its topic and the time it is due in its headers."""
    mark = f"""
      meta topic = "{topic}"
      meta due = timestamp_unix_milli() + {int(task.delay_s * 1000) + 1}
    """
    headers = {"metadata": {"include_prefixes": ["topic", "due"]}}
    put_off = {
        "kafka_franz": kafka_output(task, task.delay) | headers | {"batching": TOGETHER},
        "processors": [{"mapping": mark}],
    }
    return {
        "input": kafka_input(task, topic),
        "output": {"fallback": [http_clients(task, http_client(url) | {"retries": 0}), put_off]},
    }


def delay(task: Task) -> Part:
    """Sleep until a record is due, then put it back on its topic."""
    sleep = "${! [@due.number() - timestamp_unix_milli(), 0].max() }ms"
    back = kafka_output(task, '${! metadata("topic") }') | {"batching": TOGETHER}
    return {
        "input": kafka_input(task, task.delay),
        "pipeline": {"threads": 200, "processors": [{"sleep": {"duration": sleep}}]},
        "output": {"kafka_franz": back},
    }


DELIVER = {
    Workload.DELIVER: deliver,
    Workload.BATCHED: deliver_batches,
    Workload.END_TO_END: deliver_recorded,
    Workload.RETRY: deliver_or_put_off,
}


def kafka_input(task: Task, topic: str, **more: Any) -> Part:
    """Each stream is a group of its own."""
    name = topic.removeprefix(task.prefix)
    return {
        "kafka_franz": {
            "seed_brokers": [task.bootstrap],
            "topics": [topic],
            "consumer_group": f"{task.group}-{name}",
            "auto_offset_reset": "earliest",
            "commit_period": "1s",
            "checkpoint_limit": 4096,
            **more,
        }
    }


def kafka_output(task: Task, topic: str) -> Part:
    return {
        "seed_brokers": [task.bootstrap],
        "topic": topic,
        "key": KEY,
        "idempotent_write": True,
        "compression": "lz4",
        "max_in_flight": 20,
    }


def http_clients(task: Task, client: Part) -> Part:
    """As many requests in flight as the task allows, by several clients: one keeps only two idle connections
    to a host (Go's default, which the config does not reach), and would open a new one for most requests."""
    outputs = [{"http_client": client | {"max_in_flight": KEPT_ALIVE}}]
    return {"broker": {"pattern": "greedy", "copies": task.in_flight // KEPT_ALIVE, "outputs": outputs}}


def http_client(url: str) -> Part:
    return {"url": url, "verb": "POST", "headers": JSON, **RETRY}
