"""The configured destinations, and who gets which event.

Three rules keep an event back; the first that applies is the one that is counted:

| rule               | the event stays away because                                               |
|--------------------|----------------------------------------------------------------------------|
| `integrations`     | its own `integrations` say so                                              |
| `types`            | the destination's `when.types` leave its type out                          |
| `unsupported-type` | the connector can't make a request from its type                           |

`integrations` is the common spec's: https://segment.com/docs/guides/filtering-data/#filtering-with-the-integrations-object
`{"All": false, "crm-hook": true}` goes to crm-hook only, `{"crm-hook": false}` to all others. A key is the
name of a destination or, for all that have it, of a connector; the destination's own name counts more.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connectors.base import Bound
from connectors.event import EVENT_TYPES
from streams.config.sections import Limits, Network
from streams.settings import Settings
from streams.topics import Names


class Rule(StrEnum):
    """Why an event stays away from a destination."""

    #: The event's own `integrations` say so.
    INTEGRATIONS = "integrations"
    #: The destination's `when.types` leave its type out.
    TYPES = "types"
    #: The connector can't make a request from its type.
    UNSUPPORTED_TYPE = "unsupported-type"


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that events are delivered to, ready for use."""

    name: str
    bound: Bound
    limits: Limits
    network: Network
    #: Where its events wait for it.
    topic: str
    #: The event types it should have.
    types: frozenset[str] = frozenset(EVENT_TYPES)

    def keeps_back(self, event_type: str) -> Rule | None:
        """The rule that keeps all events of a type away."""
        if event_type not in self.types:
            return Rule.TYPES
        return None if event_type in self.bound.connector.accepts else Rule.UNSUPPORTED_TYPE


def configured(settings: Settings) -> tuple[Destination, ...]:
    """The destinations of the settings, in their order."""
    names = Names.of(settings)
    return tuple(
        Destination(
            name=destination.name,
            bound=destination.bound(),
            limits=destination.limits,
            network=destination.network,
            topic=names.deliver(destination.name),
            types=frozenset(destination.when.types),
        )
        for destination in settings.destinations
    )


class Audience:
    """Decides who gets an event. For each event that comes in, so what can be known before is."""

    def __init__(self, destinations: Iterable[Destination]) -> None:
        self.destinations = tuple(destinations)
        self._by_type: dict[str, tuple[Rule | None, ...]] = {
            kind: tuple(destination.keeps_back(kind) for destination in self.destinations)
            for kind in EVENT_TYPES
        }
        #: What a key of `integrations` stands for: first connectors, then names, which count more.
        self._keys = (
            _indexes(one.bound.connector.name for one in self.destinations),
            _indexes(one.name for one in self.destinations),
        )

    def decide(self, event_type: str, integrations: Mapping[str, Any] | None = None) -> Sequence[Rule | None]:
        """For each destination, in order: None if the event goes there, else the rule that keeps it back.

        `event_type` is one of the six, `integrations` what the event says of itself.
        """
        rules = self._by_type[event_type]
        return self._narrowed(rules, integrations) if integrations else rules

    def _narrowed(
        self, rules: Sequence[Rule | None], integrations: Mapping[str, Any]
    ) -> Sequence[Rule | None]:
        others_stay = _is_on(integrations.get("All")) is False
        narrowed: list[Rule | None] = [Rule.INTEGRATIONS] * len(rules) if others_stay else list(rules)
        for indexes in self._keys:
            for key in indexes.keys() & integrations.keys():  # few, whatever the producer wrote
                is_on = _is_on(integrations[key])
                for index in indexes[key] if is_on is not None else ():
                    narrowed[index] = rules[index] if is_on else Rule.INTEGRATIONS
        return narrowed


def _is_on(value: Any) -> bool | None:
    """On, off, or nothing said. Options (a mapping, even an empty one) mean on."""
    return None if value is None else bool(value) or isinstance(value, Mapping)


def _indexes(names: Iterable[str]) -> dict[str, list[int]]:
    indexes: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        indexes[name].append(index)
    return dict(indexes)
