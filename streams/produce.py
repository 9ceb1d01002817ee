"""Kafka's produce request: how it is written, what is said of it, and whoever takes it.

https://kafka.apache.org/protocol
"""

import struct
from collections.abc import Sequence
from typing import Protocol

#: How long brokers may take to confirm a request, before they say that they could not.
ACKS_MS = 8_000

# What a broker says of a batch, by Kafka's numbers. https://kafka.apache.org/protocol#protocol_error_codes
NONE, DUPLICATE = 0, 46
#: No answer, or one that doesn't name the batch.
UNANSWERED = 1000
#: Not now: no or another leader, too few replicas, not all have confirmed it in time, a disk failed, nothing
#: was heard. It may be written all the same: a leader that stops says so even of what it has appended (seen).
NOT_NOW = frozenset({5, 6, 7, 19, 20, 56, 74, 75, 89, UNANSWERED})
#: It is not written, and the next batch may have its number: too large, no right, nothing that it takes.
#: Not 3, no such partition: a broker that has just lost one may say so of what it has appended.
NOT_THIS_ONE = frozenset({2, 10, 17, 18, 29, 76, 87})

_i16, _i32 = struct.Struct(">h"), struct.Struct(">i")
_batch = struct.Struct(">ii")  # partition, and the bytes that follow
_answer = struct.Struct(">ihqqq")  # partition, error, offset, append time, the log's start


class Unanswered(Exception):
    """No answer came; what was asked may have been done. The message is the error's name."""


class Refusal(Exception):
    """The brokers don't let us, whatever the topic; the message says why."""


class Asked(Protocol):
    """What writes to brokers: `streams.brokers.Brokers`."""

    def partitions(self, topic: str) -> int:
        """How many; 0: it is not known."""

    def leader(self, topic: str, partition: int) -> int | None:
        """The node that leads it, if any does."""

    def learn(self) -> None:
        """Ask again who leads what."""

    async def open(self) -> None:
        """Learn who leads what. Raises Unanswered."""

    async def identity(self) -> tuple[int, int]:
        """A new producer's id and epoch. Raises Refusal, Unanswered."""

    async def produce(self, node: int, body: bytes) -> bytes:
        """Send a produce request, returns the response. Raises Refusal, Unanswered."""

    async def close(self) -> None:
        """Disconnect."""


def request(batches: Sequence[tuple[str, int, bytes]]) -> bytes:
    """The body of a produce request, version 7: no transaction, acks=all."""
    by_topic: dict[str, list[tuple[int, bytes]]] = {}
    for topic, partition, data in batches:
        by_topic.setdefault(topic, []).append((partition, data))
    parts = [_i16.pack(-1), _i16.pack(-1), _i32.pack(ACKS_MS), _i32.pack(len(by_topic))]
    for topic, its in by_topic.items():
        name = topic.encode()
        parts += [_i16.pack(len(name)), name, _i32.pack(len(its))]
        for partition, data in its:
            parts += [_batch.pack(partition, len(data)), data]
    return b"".join(parts)


def answers(body: bytes) -> tuple[dict[tuple[str, int], int], float]:
    """A produce response, version 7: topic and partition -> Kafka's error number; and for how many seconds
    nothing more should be asked."""
    found: dict[tuple[str, int], int] = {}
    (topics,), at = _i32.unpack_from(body), 4
    for _ in range(topics):
        (length,) = _i16.unpack_from(body, at)
        at += 2 + length
        topic = body[at - length : at].decode()
        (partitions,) = _i32.unpack_from(body, at)
        at += 4
        for _ in range(partitions):
            partition, error, _, _, _ = _answer.unpack_from(body, at)
            at += _answer.size
            found[topic, partition] = error
    (throttle_ms,) = _i32.unpack_from(body, at)
    return found, throttle_ms / 1000
