"""What the topics say of every event, read with our own eyes: not with the ledger's."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from streams import attempts, commands, headers, records
from streams.attempts import Attempt, Outcome
from streams.flight import Record
from streams.headers import Source, Tracking
from streams.records import Routed
from streams.scan import Scanner
from streams.settings import Settings
from streams.topics import Names
from streams.verify.script import DELIVERED


class Way(NamedTuple):
    """One event on its way to one destination, in one replay or in none."""

    source: Source
    destination: str  #: "" for what is no event
    replay: str | None = None

    @classmethod
    def of(cls, tracking: Tracking) -> "Way":
        return cls(tracking.source, tracking.destination, tracking.replay)


class Tracked(NamedTuple):
    """A record on a deliver or delay topic without its content, and what its headers say."""

    record: Record
    tracking: Tracking


@dataclass(frozen=True, slots=True)
class Topics:
    """Everything on the topics of a scenario."""

    notes: list[Routed]
    attempts: list[Attempt]
    dead: list[Record]
    deliver: list[Tracked]
    delay: list[Tracked]

    def fates(self) -> dict[Way, str]:
        """What became of everything; two different ends of one event are both named."""
        found: defaultdict[Way, set[str]] = defaultdict(set)
        for way, rule in self._decided():
            if rule and way.destination:
                found[way].add(f"filtered {rule}")
        for record in self.dead:
            way, death = _death(record)
            found[way].add(death)
        for attempt in self.attempts:
            if attempt.outcome is Outcome.DELIVERED:
                found[way_of(attempt)].add(DELIVERED)
        return {way: " and ".join(sorted(ends)) for way, ends in found.items()}

    def _decided(self) -> Iterator[tuple[Way, str | None]]:
        for note in self.notes:
            for lane in note.lanes:
                for offset in note.offsets(lane):
                    source = Source(note.source_topic, note.partition, offset)
                    yield Way(source, lane.destination, note.replay), lane.rule


def read(settings: Settings) -> Topics:
    """All that is on them."""
    names = Names.of(settings)
    with commands.scanner(settings) as scanner:
        return Topics(
            list(records.readable(record.value for record in _all(scanner, names.routed))),
            list(attempts.readable(record.value for record in _all(scanner, names.attempts))),
            [_light(record) for record in _all(scanner, names.dlq)],
            list(_tracked(scanner, names, *names.all_deliver)),
            list(_tracked(scanner, names, *names.all_delay)),
        )


def inbound(settings: Settings) -> Iterator[Record]:
    """All that is on the inbound topic."""
    with commands.scanner(settings) as scanner:
        yield from _all(scanner, settings.inbound.topic)


def way_of(attempt: Attempt) -> Way:
    source = Source(attempt.source_topic, attempt.source_partition, attempt.source_offset)
    return Way(source, attempt.destination, attempt.replay)


def by_way(attempts: list[Attempt]) -> Mapping[Way, list[Attempt]]:
    """The attempts at each event, in the order in which they began."""
    found: defaultdict[Way, list[Attempt]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda one: one.started_ms):
        found[way_of(attempt)].append(attempt)
    return found


def _all(scanner: Scanner, *topics: str) -> Iterator[Record]:
    for chunk in scanner.read({}, scanner.ends(scanner.partitions(topics))):
        yield from chunk


def _light(record: Record) -> Record:
    """Without its value: there are many."""
    record.value = None
    return record


def _tracked(scanner: Scanner, names: Names, *topics: str) -> Iterator[Tracked]:
    whose = names.whose
    for record in _all(scanner, *topics):
        try:
            tracking = headers.read(record.headers, whose.get(record.topic))
        except headers.Malformed:
            continue
        record.headers = ()
        yield Tracked(_light(record), tracking)


def _death(record: Record) -> tuple[Way, str]:
    """Whose end a dlq record is; one that does not tell its source is its own."""
    own = Source(record.topic, record.partition, record.offset)
    try:
        source = headers.read_source(record.headers)
    except headers.Malformed:
        return Way(own, ""), "dead without a source"
    ours = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    reason, destination = ours.get("distributary.reason"), ours.get("distributary.destination", "")
    word = f"undecodable {ours.get('distributary.error')}" if reason == "undecodable" else f"dead {reason}"
    return Way(source, destination, ours.get("distributary.replay")), word
