"""A sink that posts while records come in, and confirms on `flush`, before Quix commits."""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import urllib3
from quixstreams.sinks import BaseSink, SinkBackpressureError

BATCH = 100
JSON = {"content-type": "application/json"}
#: Of one body in place, a second apart; after that Quix pauses and repeats all since the last commit.
TRIES = 3
RETRY_S = 1.0
PAUSE_S = 5.0

#: Writes to a topic: its name, value, key, headers.
Produce = Callable[[str, bytes, Any, dict[str, str]], None]


class HttpSink(BaseSink):
    """One sink for all destinations; each has a pool of threads and of connections.

    `produce` and `flush_producer` write what a request leads to: an attempt, or a record on the delay topic.
    """

    def __init__(self, task: dict[str, Any], produce: Produce, flush_producer: Callable[[], None]) -> None:
        super().__init__()
        self.task = task
        self.workload = task["workload"]
        self.produce = produce
        self.flush_producer = flush_producer
        self.urls = dict(zip(task["deliver"], task["urls"], strict=True))
        size = task["in_flight"]
        self.http = urllib3.PoolManager(
            len(self.urls), maxsize=size, headers=JSON, retries=False, timeout=10.0
        )
        self.threads = {topic: ThreadPoolExecutor(size) for topic in self.urls}
        self.under_way: list[Future[Any]] = []
        self.batches: dict[str, list[bytes]] = defaultdict(list)

    def add(
        self, value: Any, key: Any, timestamp: int, headers: Any, topic: str, partition: int, offset: int
    ) -> None:
        if self.workload != "batched":
            self.under_way.append(self.threads[topic].submit(self.deliver, topic, value, key))
            return
        self.batches[topic].append(value)
        if len(self.batches[topic]) == BATCH:
            self.send_batch(topic)

    def send_batch(self, topic: str) -> None:
        body = b"[" + b",".join(self.batches.pop(topic)) + b"]"
        self.under_way.append(self.threads[topic].submit(self.insist, topic, body))

    def flush(self) -> None:
        """Return when everything added is answered 2xx or written to the delay topic."""
        for topic in list(self.batches):
            self.send_batch(topic)
        under_way, self.under_way = self.under_way, []
        errors = [error for future in under_way if (error := future.exception())]
        self.flush_producer()
        if errors:
            sys.stderr.write(f"{len(errors)} requests failed: {errors[0]!r}\n")
            raise SinkBackpressureError(retry_after=PAUSE_S)

    def on_paused(self) -> None:
        """Quix seeks back to the last commit."""
        self.batches.clear()

    def deliver(self, topic: str, value: bytes, key: Any) -> None:
        began = time.perf_counter()
        status = self.insist(topic, value)
        if status == 503:
            due = repr(time.time() + self.task["delay_s"])
            self.produce(self.task["delay"], value, key, {"topic": topic, "due": due})
        if self.workload == "end-to-end":
            message_id = json.loads(value)["messageId"]
            ms = (time.perf_counter() - began) * 1e3
            attempt = {"messageId": message_id, "destination": topic, "status": status, "ms": ms}
            self.produce(self.task["attempts"], json.dumps(attempt).encode(), key, {})

    def insist(self, topic: str, body: bytes) -> int:
        """Send it, several times if need be; the status: 2xx, or with a delay topic 503.

        Raises ConnectionError in the end.
        """
        for number in range(TRIES):
            if number:
                time.sleep(RETRY_S)
            status = self.post(topic, body)
            if 200 <= status < 300 or (status == 503 and self.workload == "retry"):
                return status
        raise ConnectionError(f"{self.urls[topic]}: {status}")

    def post(self, topic: str, body: bytes) -> int:
        """The status of the answer, 0 for none."""
        try:
            return self.http.request("POST", self.urls[topic], body=body).status
        except urllib3.exceptions.HTTPError as error:
            sys.stderr.write(f"{topic}: {error!r}\n")
            return 0
