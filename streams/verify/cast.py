"""The destinations of a scenario and the events it sends them: made up, the same for the same seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streams.demo import events as demo
from streams.verify import script
from streams.verify.script import Rules, Script

#: Of these is every event; all can carry a script.
TYPES = ("track", "page", "identify")
#: One event in seven: for destinations that hold each of their slots for long.
FEW = ("identify",)
#: Where an event's script is.
KEY = "verify"


class Port(StrEnum):
    """Where the destination server can be reached."""

    #: Always open.
    PLAIN = "plain"
    #: Hangs up and refuses connections when it is told so.
    CLOSING = "closing"
    #: HTTPS, by a certificate that it is told.
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Role:
    """A destination, and how it answers: of so many events, so many by this script.

    One whose `types` leave out all of TYPES gets nothing of the load, only what its scenario writes.
    """

    name: str
    answers: tuple[tuple[int, Script], ...] = ((1, script.UNSAID),)
    types: tuple[str, ...] = TYPES
    port: Port = Port.PLAIN
    in_flight: int = 20


#: The healthy one, whose stalls are measured.
STEADY = Role("steady")
MOODY = Role(
    "moody",
    (
        (50, (200,)),
        (14, (503, 200)),
        (6, (500, 502, 408, 200)),
        (5, ({"status": 429, "retry_after": 1}, 200)),
        (8, ({"status": 200, "after": 0.4},)),
        (4, ("reset", 200)),
        (2, ("close", 200)),
        (4, (400,)),
        (3, (401,)),
        (2, ("status-99",)),
        (1, (503, {"status": 429, "retry_after": 86_400})),
        (1, (503,)),
    ),
)
#: Is sent only some of the events: the others are filtered.
CHOOSY = Role("choosy", ((9, (202,)), (1, (503, 204))), types=("identify",))
#: Has requests under way at any moment.
SLOW = Role("moody", ((3, ({"status": 200, "after": 0.4},)), (1, (503, {"status": 200, "after": 0.4}))))
USUAL = (STEADY, MOODY, CHOOSY)


@dataclass(frozen=True, slots=True)
class Planned:
    """An event to be sent, and what should become of it at each destination."""

    id: str
    event: Mapping[str, Any]
    fates: Mapping[str, str]


def events(roles: Sequence[Role], rules: Rules, count: int, seed: str) -> Iterator[Planned]:
    """Events with a script for every destination."""
    chance = random.Random(seed)  # noqa: S311
    made = (one for one in demo.events(20 * count + 100, chance.getrandbits(32)) if one["type"] in TYPES)
    for number, event in zip(range(count), made, strict=False):
        scripts = {role.name: _draw(role, chance) for role in roles}
        yield planned(f"e{number}", event, scripts, roles, rules)


def planned(
    id: str,  # noqa: A002 - it is the event's
    event: Mapping[str, Any],
    scripts: Mapping[str, Script],
    roles: Sequence[Role],
    rules: Rules,
) -> Planned:
    """An event that carries these scripts; UNSAID where there is none."""
    where = "traits" if event["type"] == "identify" else "properties"
    told = {name: list(steps) for name, steps in scripts.items() if steps != script.UNSAID}
    carried = {**event.get(where, {}), KEY: told}
    fates = {
        role.name: script.fate(scripts.get(role.name, script.UNSAID), rules)
        if event["type"] in role.types
        else "filtered types"
        for role in roles
    }
    return Planned(id, {**event, "messageId": id, where: carried}, fates)


def scripts_of(event: Mapping[str, Any]) -> Mapping[str, Script]:
    """The scripts that an event carries, by destination; none for one that is to say UNSAID."""
    for where in ("properties", "traits"):
        found = (event.get(where) or {}).get(KEY)
        if isinstance(found, dict):
            return found
    return {}


def _draw(role: Role, chance: random.Random) -> Script:
    return chance.choices([steps for _, steps in role.answers], [share for share, _ in role.answers])[0]
