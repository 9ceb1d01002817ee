"""A Faust app as its guide teaches it: agents, `topic.send`, `take`; nothing of Faust is replaced.

The two Faust systems differ in the HTTP client only. A request that is not answered 2xx is repeated in place
after a second, or, in the retry workload, its event goes to the delay topic.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mode.loop import use

use("uvloop")  # before Faust is imported; what `faust --loop uvloop` does

import faust  # noqa: E402

BATCH = 100
BATCH_WAIT_S = 0.5
#: Actors per destination that `take` batches. They share its queue: each of many would get a few events only
#: before its time is up.
BATCHERS = 4
RETRY_S = 1.0
TIMEOUT_S = 10.0

#: Sends a body to a URL; the status of the answer, or 0 for none.
Post = Callable[[str, bytes], Awaitable[int]]


class Delivery:
    """The agents of one task."""

    def __init__(self, task: dict[str, Any], post: Post) -> None:
        self.task = task
        self.post = post
        self.app = app_of(task)
        self.topics = {name: self.topic(name) for name in task["deliver"]}
        self.urls = dict(zip(task["deliver"], task["urls"], strict=True))
        self.slots = {name: asyncio.Semaphore(task["in_flight"]) for name in task["deliver"]}
        self.delay = self.topic(task["delay"])
        self.attempts = self.topic(task["attempts"])

    def topic(self, name: str) -> Any:
        return self.app.topic(
            name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

    def add_agents(self) -> None:
        workload = self.task["workload"]
        if workload in ("route", "end-to-end"):
            self.app.agent(self.topic(self.task["inbound"]), name="route")(self.route)
        if workload == "route":
            return
        deliver, actors = self.deliver, self.task["in_flight"]
        if workload == "batched":
            deliver, actors = self.deliver_batches, min(BATCHERS, actors)
        for name, topic in self.topics.items():
            agent = self.app.agent(topic, name=name, concurrency=actors)
            agent(deliver(name))
        if workload == "retry":
            self.app.agent(self.delay, name="delay", concurrency=self.task["in_flight"])(self.wait)

    async def route(self, stream: Any) -> None:
        async for event in stream.events():
            for topic in self.topics.values():
                await topic.send(key=event.key, value=event.value)

    def deliver(self, name: str) -> Callable[[Any], Awaitable[None]]:
        async def agent(stream: Any) -> None:
            async for event in stream.events():
                await self.attempt(name, event)

        return agent

    def deliver_batches(self, name: str) -> Callable[[Any], Awaitable[None]]:
        async def agent(stream: Any) -> None:
            async for values in stream.take(BATCH, within=BATCH_WAIT_S):
                body = b"[" + b",".join(values) + b"]"
                await self.insist(self.urls[name], body)

        return agent

    async def insist(self, url: str, body: bytes) -> None:
        """Send it until it is taken."""
        while True:
            if 200 <= await self.post(url, body) < 300:
                return
            await asyncio.sleep(RETRY_S)

    async def attempt(self, name: str, event: Any) -> None:
        """Send one event until it is taken, or until it is on the delay topic."""
        while True:
            began = time.perf_counter()
            async with self.slots[name]:
                status = await self.post(self.urls[name], event.value)
            if self.task["workload"] == "end-to-end":
                await self.record(name, event, status, time.perf_counter() - began)
            if 200 <= status < 300:
                return
            if self.task["workload"] == "retry" and status == 503:
                await self.put_off(name, event)
                return
            await asyncio.sleep(RETRY_S)

    async def record(self, name: str, event: Any, status: int, took_s: float) -> None:
        message_id = json.loads(event.value)["messageId"]
        attempt = {"messageId": message_id, "destination": name, "status": status, "ms": took_s * 1e3}
        await self.attempts.send(key=event.key, value=json.dumps(attempt).encode())

    async def put_off(self, name: str, event: Any) -> None:
        due = repr(time.time() + self.task["delay_s"])
        headers = {"topic": name.encode(), "due": due.encode()}
        await self.delay.send(key=event.key, value=event.value, headers=headers)

    async def wait(self, stream: Any) -> None:
        """The delay topic: sleep until an event is due, then send it."""
        async for event in stream.events():
            headers = dict(event.headers)
            await asyncio.sleep(max(0.0, float(headers["due"]) - time.time()))
            await self.attempt(headers["topic"].decode(), event)


def app_of(task: dict[str, Any]) -> Any:
    return faust.App(
        task["group"],
        broker=f"kafka://{task['bootstrap']}",
        datadir=Path(task["folder"]) / "faust",
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_batch_size=131_072,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        web_enabled=False,
    )


def work(post: Post) -> None:
    """Run a worker for the task whose file is the first argument."""
    delivery = Delivery(json.loads(Path(sys.argv[1]).read_text()), post)
    delivery.add_agents()
    faust.Worker(delivery.app, loglevel="warning").execute_from_commandline()
