"""Events from Kafka to HTTP with as little Python as that takes.

One process, one event loop, one consumer for every topic of the task. No isolation between destinations, no
limits but `in_flight`, no breaker, no dead letters, no metrics; a rebalance repeats what was under way.
Offsets are committed twice a second: of each partition the finished prefix, after the producer is flushed.
"""

import asyncio
import heapq
import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import uvloop
from confluent_kafka import Message
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url

from bench.systems.loop.kafka import Kafka, Stretch

READ_AHEAD = 4_000  #: records read and not finished, above which nothing is read
COMMIT_EVERY_S = 0.5
BATCH = 100
BATCH_WAIT_S = 0.05
RETRY_S = 1.0  #: before the same request is sent again, where there is no delay topic
TIMEOUT = timedelta(seconds=10)

#: A record on its way to a destination.
Item = tuple[Message, Stretch]


class Loop:
    """A task under way."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.kafka = Kafka(task["bootstrap"], task["group"], self._topics())
        self.read_ahead = READ_AHEAD * (5 if task["workload"] == "batched" else 1)
        self.under_way = 0
        self.room = asyncio.Event()
        self.queues = [asyncio.Queue[Item]() for _ in task["deliver"]]
        self.roads: dict[str, Callable[[list[Message], Stretch], None]] = {
            task["inbound"]: self.route,
            task["delay"]: self.hold,
            **{topic: partial(self.enqueue, number) for number, topic in enumerate(task["deliver"])},
        }
        self.held: list[tuple[float, int, int, Item]] = []
        self.numbers = count()

    def _topics(self) -> list[str]:
        deliver = self.task["deliver"]
        match self.task["workload"]:
            case "route":
                return [self.task["inbound"]]
            case "end-to-end":
                return [self.task["inbound"], *deliver]
            case "retry":
                return [*deliver, self.task["delay"]]
        return list(deliver)

    async def run(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        coroutines = [self.read(), self.commit(), *self.workers(), stop.wait()]
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # raises what ended it
        self.kafka.commit()
        self.kafka.consumer.close()

    def workers(self) -> list[Any]:
        if self.task["workload"] == "route":
            return []
        work = self.post_batches if self.task["workload"] == "batched" else self.post_each
        destinations = [
            (client(), Url(url), queue, topic)
            for url, queue, topic in zip(self.task["urls"], self.queues, self.task["deliver"], strict=True)
        ]
        posting = [work(*it) for it in destinations for _ in range(self.task["in_flight"])]
        return [*posting, self.release()]

    # -- reading and committing ----------------------------------------------------------------

    async def read(self) -> None:
        while True:
            for topic, records, stretch in await self.kafka.poll():
                self.roads[topic](records, stretch)
            await asyncio.sleep(0)
            while self.under_way > self.read_ahead:
                self.room.clear()
                await self.room.wait()

    async def commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            self.kafka.commit()

    def finish(self, stretch: Stretch) -> None:
        stretch.left -= 1
        self.under_way -= 1
        if self.under_way == self.read_ahead // 2:
            self.room.set()

    # -- the ways of a record ------------------------------------------------------------------

    def route(self, messages: list[Message], stretch: Stretch) -> None:
        """To every destination's topic. Finished at once: a commit flushes the producer first."""
        records = [{"value": message.value(), "key": message.key()} for message in messages]
        for topic in self.task["deliver"]:
            self.kafka.produce_all(topic, records)
        stretch.left = 0

    def enqueue(self, destination: int, messages: list[Message], stretch: Stretch) -> None:
        put = self.queues[destination].put_nowait
        self.under_way += len(messages)
        for message in messages:
            put((message, stretch))

    async def post_each(self, http: Client, url: Url, queue: asyncio.Queue[Item], topic: str) -> None:
        """One request at a time; `in_flight` of these run per destination."""
        workload = self.task["workload"]
        attempts = self.task["attempts"] if workload == "end-to-end" else None
        delay = self.task["delay"] if workload == "retry" else None
        while True:
            message, stretch = await queue.get() if queue.empty() else queue.get_nowait()
            began = time.perf_counter()
            while not 200 <= (status := await post(http, url, message.value())) < 300:
                if delay and status == 503:
                    self.put_off(message, topic)
                    break
                await asyncio.sleep(RETRY_S)
            if attempts:
                self.record(attempts, message, topic, status, time.perf_counter() - began)
            self.finish(stretch)

    async def post_batches(self, http: Client, url: Url, queue: asyncio.Queue[Item], _topic: str) -> None:
        while True:
            items = [await queue.get()]
            if queue.qsize() < BATCH - 1:
                await asyncio.sleep(BATCH_WAIT_S)
            items += [queue.get_nowait() for _ in range(min(queue.qsize(), BATCH - 1))]
            body = b"[%b]" % b",".join([message.value() for message, _ in items])
            await insist(http, url, body)
            for _, stretch in items:
                self.finish(stretch)

    def record(self, attempts: str, message: Message, topic: str, status: int, took_s: float) -> None:
        event = orjson.loads(message.value())["messageId"]
        attempt = {"messageId": event, "destination": topic, "status": status, "ms": took_s * 1e3}
        self.kafka.produce(attempts, orjson.dumps(attempt), message.key())

    # -- waiting -------------------------------------------------------------------------------

    def put_off(self, message: Message, topic: str) -> None:
        """Write a record to the delay topic, with its topic and the time it is due, Unix seconds."""
        due = repr(time.time() + self.task["delay_s"])
        headers = [("due", due), ("topic", topic)]
        self.kafka.produce(self.task["delay"], message.value(), message.key(), headers=headers)

    def hold(self, messages: list[Message], stretch: Stretch) -> None:
        """Keep delayed records in memory until they are due; however many there are, reading goes on."""
        for message in messages:
            headers = dict(message.headers())
            destination = self.task["deliver"].index(headers["topic"].decode())
            due = float(headers["due"])
            heapq.heappush(self.held, (due, next(self.numbers), destination, (message, stretch)))

    async def release(self) -> None:
        while True:
            await asyncio.sleep(0.01 if self.held else 0.1)
            while self.held and self.held[0][0] <= time.time():
                _, _, destination, item = heapq.heappop(self.held)
                self.under_way += 1
                self.queues[destination].put_nowait(item)


def client() -> Client:
    """A connection pool of one destination."""
    plain = ClientBuilder().no_proxy().follow_redirects(False).referer(False)
    plain = plain.gzip(False).brotli(False).zstd(False).deflate(False)
    return plain.default_headers({"content-type": "application/json"}).timeout(TIMEOUT).build()


async def post(http: Client, url: Url, body: bytes) -> int:
    """The status of the answer; 0 for none."""
    try:
        return (await http.post(url).body_bytes(body).build().send()).status
    except PyreqwestError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 0


async def insist(http: Client, url: Url, body: bytes) -> None:
    """Send it until it is taken."""
    while True:
        if 200 <= await post(http, url, body) < 300:
            return
        await asyncio.sleep(RETRY_S)


if __name__ == "__main__":
    uvloop.run(Loop(json.loads(Path(sys.argv[1]).read_text())).run())
