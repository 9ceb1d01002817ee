"""What the workers record of each attempt to deliver an event to a destination.

Attempts that end together are one record of the topic `attempts`, by schemas/attempts.avsc in the single-
object encoding: what they have in common is written, and read, once. `decode` also reads records of one
attempt, by schemas/attempt.avsc, which earlier versions wrote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from streams.decoding import datum, flat
from streams.decoding.undecodable import Undecodable
from streams.headers import Tracking

#: How much of an answer's body an attempt keeps, in characters.
LONGEST_BODY_HEAD = 512
#: A record with so many bytes gets no more. One attempt has at most 4 KB, and no topic takes less than 100.
ENOUGH_BYTES = 16 * 1024

_SINGLE, _TOGETHER = datum.published("attempt"), datum.published("attempts")
_SINGLE_NOW, _NOW = list(_SINGLE.values())[-1], list(_TOGETHER.values())[-1]
_MARK = datum.MARKER + _NOW.fingerprint
_BY_SCHEMA = {**_SINGLE, **_TOGETHER}


class Outcome(StrEnum):
    """What followed from an attempt."""

    #: The destination has it.
    DELIVERED = "delivered"
    #: It waits in a delay tier.
    RETRY = "retry"
    #: It is in the dlq.
    DEAD = "dead"
    #: No attempt, but a note: a dead event was put back on its destination's topic.
    REDRIVEN = "redriven"
    #: A word of a later version.
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Outcome":
        return cls.UNKNOWN


@dataclass(slots=True, init=False)  # one is made of every event: mypyc compiles no __init__ of dataclasses
class Attempt:
    """How one attempt to deliver one event to one destination ended. Instants are epoch milliseconds."""

    event_id: str
    destination: str
    source_topic: str
    source_partition: int
    source_offset: int
    replay: str | None
    #: 1 for the first.
    attempt: int
    outcome: Outcome
    #: The HTTP status or the error's name; None when no request was made.
    code: str | None
    #: Why it is dead. Redriven: where in the dlq it was, as topic/partition/offset.
    reason: str | None
    #: No answer came after the request was sent: it may have been delivered.
    ambiguous: bool
    started_ms: int
    elapsed_ms: int
    #: The delay tier it waits in.
    tier: str | None
    not_before_ms: int | None
    #: What a person reads first about a failure; cut at LONGEST_BODY_HEAD.
    body_head: str | None
    worker: str

    def __init__(
        self, *, event_id: str, destination: str, source_topic: str, source_partition: int,
        source_offset: int, attempt: int, outcome: Outcome, started_ms: int, elapsed_ms: int, worker: str,
        replay: str | None = None, code: str | None = None, reason: str | None = None,
        ambiguous: bool = False, tier: str | None = None, not_before_ms: int | None = None,
        body_head: str | None = None,
    ) -> None:  # fmt: skip
        self.event_id, self.destination, self.source_topic = event_id, destination, source_topic
        self.source_partition, self.source_offset = source_partition, source_offset
        self.replay, self.attempt, self.outcome = replay, attempt, outcome
        self.code, self.reason, self.ambiguous = code, reason, ambiguous
        self.started_ms, self.elapsed_ms = started_ms, elapsed_ms
        self.tier, self.not_before_ms = tier, not_before_ms
        self.body_head, self.worker = body_head, worker

    @classmethod
    def redriven(cls, tracking: Tracking, *, at: str, now_ms: int, worker: str) -> Self:
        """The note that a dead event was brought back; `at` is where in the dlq it was."""
        return cls(
            event_id=tracking.event_id,
            destination=tracking.destination,
            source_topic=tracking.source.topic,
            source_partition=tracking.source.partition,
            source_offset=tracking.source.offset,
            replay=tracking.replay,
            attempt=tracking.attempt,
            outcome=Outcome.REDRIVEN,
            reason=at,
            started_ms=now_ms,
            elapsed_ms=0,
            worker=worker,
        )


#: What attempts of one group have in common, from `destination` to `worker`.
_Alike = tuple[
    str, str, int, str | None, int, str, str | None, str | None, bool, str | None, str
]  # fmt: skip


def encode(attempts: Sequence[Attempt]) -> list[bytes]:
    """The values of the records that say all of this."""
    values: list[bytes] = []
    groups: dict[_Alike, list[bytes]] = {}
    size = 0
    for one in attempts:
        alike = (
            one.destination, one.source_topic, one.source_partition, one.replay, one.attempt, one.outcome,
            one.code, one.reason, one.ambiguous, one.tier, one.worker,
        )  # fmt: skip
        group = groups.get(alike)
        if group is None:
            group = groups[alike] = []
            size += len(_head(alike))
        event = _event(one)
        group.append(event)
        size += len(event)
        if size >= ENOUGH_BYTES:
            values.append(_value(groups))
            groups, size = {}, 0
    if groups:
        values.append(_value(groups))
    return values


def _value(groups: Mapping[_Alike, list[bytes]]) -> bytes:
    parts = [_MARK, flat.number(len(groups))]
    for alike, events in groups.items():
        parts += [_head(alike), flat.number(len(events)), *events, flat.END]
    parts.append(flat.END)
    return b"".join(parts)


def _event(one: Attempt) -> bytes:
    body_head = one.body_head
    return b"".join((
        flat.text(one.event_id),
        flat.number(one.source_offset),
        flat.number(one.started_ms),
        flat.number(one.elapsed_ms),
        flat.maybe_number(one.not_before_ms),
        flat.NULL if body_head is None else flat.SOME + flat.text(body_head[:LONGEST_BODY_HEAD]),
    ))  # fmt: skip


@lru_cache(maxsize=4096)  # there are few, and each is written again and again
def _head(alike: _Alike) -> bytes:
    """The fields of a group from `destination` to `worker`."""
    destination, topic, partition, replay, attempt, outcome, code, reason, ambiguous, tier, worker = alike
    return b"".join((
        flat.text(destination),
        flat.text(topic),
        flat.number(partition),
        flat.maybe_text(replay),
        flat.number(attempt),
        flat.text(outcome),
        flat.maybe_text(code),
        flat.maybe_text(reason),
        flat.TRUE if ambiguous else flat.FALSE,
        flat.maybe_text(tier),
        flat.text(worker),
    ))  # fmt: skip


def groups(value: bytes | None) -> list[dict[str, Any]]:
    """The groups in a record's value, as the schema names what is in them; a single attempt is one.

    Raises:
        Undecodable: it is no record of attempts.
    """
    fingerprint = (value or b"")[2:10]
    if fingerprint not in _SINGLE:
        together = datum.read_single_object(value, _BY_SCHEMA, _NOW)
        return together["groups"]  # type: ignore[no-any-return]
    single = datum.read_single_object(value, _BY_SCHEMA, _SINGLE_NOW)
    return [single | {"events": [single]}]


def decode(value: bytes | None) -> list[Attempt]:
    """The attempts in a record's value.

    Raises:
        Undecodable: it is no record of attempts.
    """
    found: list[Attempt] = []
    for group in groups(value):
        events = group.pop("events")
        group["outcome"] = Outcome(group["outcome"])
        found += [Attempt(**group | event | {"outcome": group["outcome"]}) for event in events]
    return found


def readable(values: Iterable[bytes | None]) -> Iterator[Attempt]:
    """The attempts in those values that have some; what somebody put on our topic by hand is passed over."""
    for value in values:
        try:
            found = decode(value)
        except Undecodable:
            continue
        yield from found
