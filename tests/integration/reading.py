"""What the topics say of every event, read with our own eyes: not with the ledger's."""

from collections.abc import Iterator
from typing import NamedTuple

from streams import attempts, headers, records
from streams.attempts import Attempt, Outcome
from streams.flight import Record
from streams.headers import Source
from streams.scan import Scanner
from streams.settings import Settings
from streams.topics import Names


class Way(NamedTuple):
    """One event on its way to one destination, in one replay or in none."""

    source: Source
    destination: str  #: "" for what is no event
    replay: str | None = None


class Reading:
    """Reads the topics of a world."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = Names.of(settings)

    def records(self, topic: str) -> list[Record]:
        """Everything on a topic, each partition in order."""
        scanner = Scanner(self.settings.kafka.confluent("test-scan"), f"{self.settings.kafka.prefix}test")
        try:
            found = scanner.read({}, scanner.ends(scanner.partitions([topic])))
            return [record for records in found for record in records]
        finally:
            scanner.close()

    def attempts(self, event: str | None = None, destination: str | None = None) -> list[Attempt]:
        """The attempts that were recorded, in the order in which they began."""
        found = attempts.readable(record.value for record in self.records(self.names.attempts))
        wanted = [
            one for one in found if event in (None, one.event_id) and destination in (None, one.destination)
        ]
        return sorted(wanted, key=lambda one: one.started_ms)

    def dead(self, source: Source | None = None, destination: str | None = None) -> list[Record]:
        """The dlq's records; of one inbound record or destination only."""
        return [
            record
            for record in self.records(self.names.dlq)
            if source in (None, headers.read_source(record.headers))
            and destination in (None, header(record, "destination"))
        ]

    def fates(self) -> dict[Way, str]:
        """What became of everything, from the topics alone; what is on its way is left out."""
        found = {way: f"filtered {rule}" for way, rule in self._decided() if rule and way.destination}
        found |= {_way(record): _death(record) for record in self.records(self.names.dlq)}
        delivered = [one for one in self.attempts() if one.outcome is Outcome.DELIVERED]
        return found | {_way_of(one): "delivered" for one in delivered}

    def _decided(self) -> Iterator[tuple[Way, str | None]]:
        for note in records.readable(record.value for record in self.records(self.names.routed)):
            for lane in note.lanes:
                for offset in note.offsets(lane):
                    source = Source(note.source_topic, note.partition, offset)
                    yield Way(source, lane.destination, note.replay), lane.rule


def header(record: Record, name: str) -> str | None:
    """One of our headers, as text."""
    found = [value for key, value in record.headers if key == headers.PREFIX + name and value is not None]
    return found[-1].decode() if found else None


def _way(record: Record) -> Way:
    source = headers.read_source(record.headers)
    return Way(source, header(record, "destination") or "", header(record, "replay"))


def _way_of(attempt: Attempt) -> Way:
    source = Source(attempt.source_topic, attempt.source_partition, attempt.source_offset)
    return Way(source, attempt.destination, attempt.replay)


def _death(record: Record) -> str:
    reason = header(record, "reason")
    return f"undecodable {header(record, 'error')}" if reason == "undecodable" else f"dead {reason}"
