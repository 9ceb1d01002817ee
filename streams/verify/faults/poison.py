"""Records that are no events, or hardly, between those that are."""

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams import codec
from streams.headers import Header
from streams.verify import cast
from streams.verify.cast import Planned
from streams.verify.cluster import KAFKA
from streams.verify.faults.base import Scenario
from streams.verify.stage import Stage

LARGEST = KAFKA["max_record_bytes"]

#: What the bytes are -> why they are no event.
NO_EVENTS: tuple[tuple[bytes | None, str], ...] = (
    (None, "empty"),
    (b"", "empty"),
    (b"\xff\xfe\xfd", "unsupported-format"),
    (b'{"type":"track"', "not-json"),
    (b'{"type":"track","messageId":"\\ud800"}', "not-json"),
    (b'{"type":"track","properties":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "too-deep"),
    (b'{"type":"purchase"}', "invalid-event"),
    (b'{"type":"track","properties":"no"}', "invalid-event"),
    (b"\xc3\x0112345678datum", "unknown-schema"),
    (b'{"type":"track","messageId":"' + b"x" * (2 * LARGEST) + b'"}', "too-large"),
)
#: Headers that a producer has no business with, or that are merely strange.
HEADERS: Mapping[str, Sequence[Header]] = {
    "pretends to be tried often": [("distributary.attempt", b"99"), ("distributary.deadline", b"1")],
    "pretends to be another": [("distributary.event-id", b"e1"), ("distributary.source", b"events/0/0")],
    "nonsense of ours": [("distributary.due", b"\xff\xfe"), ("distributary.replay", b"x")],
    "null and empty": [("null", None), ("", b""), ("twice", b"1"), ("twice", b"2")],
    "many": [(f"h{number}", b"v" * 20) for number in range(300)],
}


@dataclass(frozen=True)
class Poison(Scenario):
    """Each of them several times, all over the load."""

    def inject(self, stage: Stage) -> None:
        for turn in range(3):
            stage.wait_written(0.1 + 0.3 * turn)
            for value, why in NO_EVENTS:
                stage.write(value, f"undecodable {why}")
            for number, own in enumerate(HEADERS.values()):
                event = self._event(stage, f"hostile-{turn}-{number}")
                stage.write(codec.encode_json(dict(event.event)), event, own)
            self._too_large(stage, f"large-{turn}")

    def _event(self, stage: Stage, id: str, **more: Any) -> Planned:  # noqa: A002
        scripts = {role.name: (503, 200) if role.name == "moody" else (200,) for role in self.roles}
        event = {"type": "identify", "userId": "u1", "traits": {}, **more}
        return cast.planned(id, event, scripts, self.roles, stage.rules())

    def _too_large(self, stage: Stage, id: str) -> None:  # noqa: A002
        """An event that fits by itself, and no longer with our headers: the broker refuses it."""
        bare = len(codec.encode_json(dict(self._event(stage, id, context={"noise": ""}).event)))
        noise = random.Random(id).choices(string.ascii_letters + string.digits, k=LARGEST - bare)  # noqa: S311
        event = self._event(stage, id, context={"noise": "".join(noise)})
        dead = dict.fromkeys(event.fates, "dead too-large")
        stage.write(codec.encode_json(dict(event.event)), Planned(event.id, event.event, dead))


SCENARIOS: tuple[Scenario, ...] = (
    Poison("poison", "undecodable, empty and oversized records, hostile headers, mixed in", once=True),
)  # fmt: skip
