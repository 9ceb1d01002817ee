"""Records that are no events, or hardly, between those that are."""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams import codec
from streams.verify import cast, latency, raw
from streams.verify.cast import Planned
from streams.verify.destination import Arrival
from streams.verify.faults.base import Scenario
from streams.verify.faults.strange import HEADERS, INFINITE, LARGEST, NAMES, NO_EVENTS, STRANGE, TIMES_MS
from streams.verify.raw import Raw
from streams.verify.script import Script
from streams.verify.stage import Stage

#: The longest that a good event may take to the healthy destination, whatever is around it on its partition.
LONGEST_S = 3.0
SLOWEST = "slowest good event, s"


@dataclass(frozen=True)
class Poison(Scenario):
    """Each of them several times, all over the load."""

    def prepare(self, stage: Stage) -> None:
        _accept_any_time(stage)
        super().prepare(stage)

    def inject(self, stage: Stage) -> None:
        for turn in range(3):
            stage.wait_written(0.1 + 0.3 * turn)
            for value, why in NO_EVENTS:
                stage.write(value, f"undecodable {why}")
            for name, own in HEADERS.items():
                event = self._event(stage, f"{name}-{turn}")
                stage.write(_json(event), event, own)
            self._strange(stage, turn)
            self._raw(stage, turn)
            self._too_large(stage, f"large-{turn}")

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        """None of it may have held up what lies behind it."""
        took = latency.of_load(stage, arrivals, "steady")
        slowest = max(took, key=lambda source: took[source])
        stage.figures[SLOWEST] = round(took[slowest], 2)
        if took[slowest] > LONGEST_S:
            yield f"{slowest} took {took[slowest]:.1f} s to the healthy one: more than {LONGEST_S:g} s"

    def _event(self, stage: Stage, id: str, **more: Any) -> Planned:  # noqa: A002
        scripts: dict[str, Script] = {"moody": (503, 200)}
        event = {"type": "identify", "userId": "u1", "traits": {}, **more}
        return cast.planned(id, event, scripts, self.roles, stage.rules())

    def _strange(self, stage: Stage, turn: int) -> None:
        """Events all the same, whatever they hold and whatever their keys are."""
        for name, more in STRANGE.items():
            event = self._event(stage, f"{name}-{turn}")
            stage.write(_json(event)[:-1] + more + b"}", event)
        event = self._event(stage, f"infinite-{turn}")
        stage.write(_json(event)[:-1] + INFINITE + b"}", _dead(event, "unmappable"))
        for name, key in {"no key": None, "key of bytes": b"\xff\x00", "long key": b"k" * 50_000}.items():
            event = self._event(stage, f"{name}-{turn}")
            stage.write(_json(event), event, key=key)

    def _raw(self, stage: Stage, turn: int) -> None:
        """Header names that are not UTF-8, and times of the past and the future, in one batch each."""
        named = [(f"name {number}", Raw(b"", None, [header])) for number, header in enumerate(NAMES)]
        timed = [(f"at {at}", Raw(b"", timestamp_ms=at)) for at in TIMES_MS]
        for partition, batch in enumerate((named, timed)):
            events = [self._event(stage, f"{name}-{turn}") for name, _ in batch]
            records = [
                one._replace(value=_json(event)) for event, (_, one) in zip(events, batch, strict=True)
            ]
            for event, source in zip(events, raw.write(stage.settings, partition, records), strict=True):
                stage.expect(source, event)

    def _too_large(self, stage: Stage, id: str) -> None:  # noqa: A002
        """An event that fits by itself, and no longer with our headers: the broker refuses it."""
        bare = len(_json(self._event(stage, id, context={"noise": ""})))
        chance = random.Random(id)  # noqa: S311 - what can be compressed is not too large
        noise = chance.choices(string.ascii_letters + string.digits, k=LARGEST - bare)
        event = self._event(stage, id, context={"noise": "".join(noise)})
        stage.write(_json(event), _dead(event, "too-large"))
        event = self._event(stage, f"{id}-key")
        stage.write(_json(event), _dead(event, "too-large"), key=chance.randbytes(2 * LARGEST))


def _json(event: Planned) -> bytes:
    return codec.encode_json(dict(event.event))


def _dead(event: Planned, reason: str) -> Planned:
    return Planned(event.id, event.event, dict.fromkeys(event.fates, f"dead {reason}"))


def _accept_any_time(stage: Stage) -> None:
    """Kafka 4 refuses records from the future unless told otherwise; older ones know no such setting."""
    topic = ConfigResource(
        ResourceType.TOPIC,
        stage.settings.inbound.topic,
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in (
                ("message.timestamp.type", "CreateTime"),
                ("message.timestamp.after.max.ms", str((1 << 63) - 1)),
            )
        ],
    )
    try:
        stage.admin.incremental_alter_configs([topic], request_timeout=10)[topic].result()
    except KafkaException as refused:
        stage.notes.append(f"times of the future were not allowed: {refused.args[0].str()}")


SCENARIOS: tuple[Scenario, ...] = (
    Poison(
        "poison",
        "undecodable, empty and oversized records, hostile headers, names, times and keys, mixed in",
        once=True,
        longest_stall_s=2.0,
    ),
)
