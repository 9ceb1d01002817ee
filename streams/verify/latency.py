"""How long events of the load took: from the time in their Kafka record to their first arrival."""

from collections.abc import Iterable, Mapping

from streams import commands
from streams.headers import Source
from streams.verify.destination import Arrival
from streams.verify.stage import Stage


def of_load(stage: Stage, arrivals: Iterable[Arrival], name: str) -> dict[Source, float]:
    """Seconds that each event of the load took to one destination, of those that arrived there.

    Both ends are clocks of this machine. A record's time is that of its writing; whole milliseconds.
    """
    first: dict[str, float] = {}
    for arrival in arrivals:
        if arrival.to == name:
            first.setdefault(arrival.event, arrival.at)
    written = when_written(stage)
    ids = {source: planned.id for source, planned in stage.load.sources.items()}
    return {source: first[event] - written[source] for source, event in ids.items() if event in first}


def when_written(stage: Stage) -> Mapping[Source, float]:
    """The Unix time in each record of the inbound topic."""
    with commands.scanner(stage.settings) as scanner:
        partitions = scanner.partitions([stage.settings.inbound.topic])
        return {
            Source(record.topic, record.partition, record.offset): record.timestamp / 1000
            for records in scanner.read({}, scanner.ends(partitions))
            for record in records
        }
