"""What a room writes, caught before it gets to Kafka; and the records that it reads."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from streams import headers
from streams.flight import Batch, Partition, Record
from streams.headers import Source, Tracking
from streams.letters import Letters
from streams.producer import Outgoing, Refused
from streams.retry import Policy
from streams.topics import Names

NAMES = Names("t.", ("crm", "ads"), ("1s", "4s"))
POLICY = Policy.of(["1s", "4s"], ["1s", "4s"], "1m", 0.0)


class Post:
    """A producer that keeps what it is given. `trouble` is raised first, one for each `send`."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.trouble: list[Exception] = []
        self.refuses: Callable[[Outgoing], bool] = lambda _: False

    async def send(self, records: Sequence[Outgoing]) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        refused = [index for index, record in enumerate(records) if self.refuses(record)]
        self.sent += [record for index, record in enumerate(records) if index not in refused]
        if refused:
            raise Refused([(index, "MSG_SIZE_TOO_LARGE") for index in refused])

    @property
    def letters(self) -> Letters:
        return Letters(self, NAMES.dlq)

    def on(self, topic: str) -> list[Outgoing]:
        """What was written to a topic."""
        return [record for record in self.sent if record.topic == topic]


def record(topic: str, offset: int, value: bytes | None, own: Sequence[headers.Header] = ()) -> Record:
    """A record of partition 0."""
    return Record(topic, 0, offset, 0, None, value, own)


def tracked(topic: str, offset: int, value: bytes | None = b"{}", **tracking: Any) -> Record:
    """A record of ours, of the event that was at the same offset of the inbound topic."""
    destination = tracking.pop("destination", "crm")
    known = Tracking(destination, f"e{offset}", Source("events", 0, offset), **tracking)
    return record(topic, offset, value, headers.write(known))


def batch(*records: Record) -> Batch:
    return Batch(Partition(records[0].topic, records[0].partition), records)


def finished(of: Batch) -> list[int]:
    """The offsets of a batch whose outcome is said to be durable."""
    return [one.offset for one, done in zip(of.records, of._finished, strict=True) if done]


async def until(condition: Callable[[], object]) -> None:
    """Return when it holds; TimeoutError after a while."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)
