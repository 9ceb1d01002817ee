"""What other versions have written: ourselves, whose work this one ends, and producers with their schemas."""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition

import schemas
from streams import codec, headers
from streams.decoding import datum
from streams.headers import Header, Source, Tracking
from streams.records import Routed
from streams.verify import cast
from streams.verify.cast import Planned
from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage
from streams.verify.topics import Way

#: Headers of a version to come.
UNKNOWN: Sequence[Header] = [("distributary.shard", b"7"), ("distributary.trace", b"\xff"), ("own", b"kept")]
COUNT = 40
#: What producers may write by a schema of the event that is newer than ours.
NEWER = {"name": "consent", "type": ["null", "string"], "default": None}


@dataclass(frozen=True)
class Versions(Scenario):
    """Before any worker of this version runs, another has routed and tried some events."""

    def prepare(self, stage: Stage) -> None:
        planned = cast.events(self.roles, stage.rules(), COUNT, "another version")
        written = {stage.write(codec.encode_json(dict(one.event)), _renamed(one)): one for one in planned}
        for number, (source, one) in enumerate(written.items()):
            for name, fate in one.fates.items():
                if not fate.startswith("filtered"):
                    _begin(stage, Tracking(name, f"v-{one.id}", source), one, number)
        _note(stage, written)
        stage.writer.flush()
        _commit(stage, list(written))
        super().prepare(stage)

    def inject(self, stage: Stage) -> None:
        """Between the events of the load some by every published schema, and by one to come."""
        known = list(datum.published("event").values())
        newer = _newer()
        for one in cast.events(self.roles, stage.rules(), COUNT, "other schemas"):
            for age, schema in enumerate(known, 1):
                event = _renamed(one, f"v{age}")
                stage.write(schema.write_single_object(_columns(event, schema)), event)
            event = _renamed(one, "newer")
            by_newer = newer.write_single_object(_columns(event, newer) | {"consent": "all"})
            stage.write(by_newer, "undecodable unknown-schema")


def _newer() -> datum.Schema:
    """The event's schema with one field more: compatible, and unknown to us until it is published."""
    schema = json.loads(schemas.current("event"))
    return datum.parse(json.dumps(schema | {"fields": [*schema["fields"], NEWER]}))


def _columns(one: Planned, schema: datum.Schema) -> dict[str, Any]:
    """The fields of an event as the schema has them: objects as text."""
    names = {field["name"] for field in schema.parsed["fields"]}
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in one.event.items()
        if name in names
    }


def _renamed(one: Planned, by: str = "v") -> Planned:
    """The load has events of the same ids."""
    name = f"{by}-{one.id}"
    return Planned(name, {**one.event, "messageId": name}, one.fates)


def _begin(stage: Stage, tracking: Tracking, one: Planned, number: int) -> None:
    """On its topic, with headers nobody knows; or tried once, and waiting; or delivered already."""
    value = codec.encode_json({**one.event, "messageId": tracking.event_id})
    way, now_ms = Way.of(tracking), int(time.time() * 1000)
    if one.fates[tracking.destination] == "delivered" and number % 4 == 0:
        stage.unseen.add(way)
        _attempt(stage, tracking, "delivered", now_ms)
    elif one.fates[tracking.destination] == "delivered" and number % 4 == 1:
        due_ms = now_ms + 1_000
        _attempt(stage, tracking, "retry", now_ms, tier="300ms", not_before_ms=due_ms)
        waiting = Tracking(
            tracking.destination, tracking.event_id, tracking.source, 1, now_ms, now_ms + 600_000,
            due_ms, due_ms, "300ms", "503",
        )  # fmt: skip
        topic = stage.names.delay("300ms")
        stage.writer.write(topic, value, lambda _: None, headers.write(waiting, UNKNOWN))
    else:
        _attempt(stage, tracking, "postponed", now_ms)  # a word of a version to come
        topic = stage.names.deliver(tracking.destination)
        stage.writer.write(topic, value, lambda _: None, headers.write(tracking, UNKNOWN))


def _attempt(stage: Stage, tracking: Tracking, outcome: str, now_ms: int, **more: Any) -> None:
    """The record of an attempt, by the first schema that was published."""
    values = {
        "event_id": tracking.event_id, "destination": tracking.destination,
        "source_topic": tracking.source.topic, "source_partition": tracking.source.partition,
        "source_offset": tracking.source.offset, "replay": None, "attempt": 1, "outcome": outcome,
        "code": "200", "reason": None, "ambiguous": False, "started_ms": now_ms, "elapsed_ms": 1,
        "tier": None,
        "not_before_ms": None, "body_head": None, "worker": "another-version", **more,
    }  # fmt: skip
    oldest = next(iter(datum.published("attempt").values()))
    stage.writer.write(stage.names.attempts, oldest.write_single_object(values), lambda _: None)


def _note(stage: Stage, written: dict[Source, Planned]) -> None:
    """The notes of where they went, by the first schema that was published."""
    oldest = next(iter(datum.published("routed").values()))
    by_partition: defaultdict[int, list[Source]] = defaultdict(list)
    for source in written:
        by_partition[source.partition].append(source)
    for partition, sources in by_partition.items():
        lanes: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        for source in sources:
            for name, fate in written[source].fates.items():
                lanes[name, "types" if fate.startswith("filtered") else None].append(source.offset)
        for note in Routed.of(sources[0].topic, partition, sources, lanes):
            value = oldest.write_single_object(note.values())
            stage.writer.write(stage.names.routed, value, lambda _: None)


def _commit(stage: Stage, sources: Sequence[Source]) -> None:
    """The other version has committed past these records."""
    ends: defaultdict[int, int] = defaultdict(int)
    for source in sources:
        ends[source.partition] = max(ends[source.partition], source.offset + 1)
    group = {"group.id": stage.settings.kafka.group, "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(stage.settings.kafka.confluent("distributary-verify-other") | group)
    topic = stage.settings.inbound.topic
    consumer.commit(offsets=[TopicPartition(topic, *end) for end in ends.items()], asynchronous=False)
    consumer.close()


SCENARIOS: tuple[Scenario, ...] = (
    Versions(
        "versions",
        "headers we don't know, records that another version of us wrote, older and newer schemas of events",
        once=True,
    ),
)
