"""The way of an event begins here: from the inbound topic to `deliver.<destination>`.

    events --> [route] --> deliver.<destination>        one record for each destination that should have it
                      --> routed                        which offsets went where, or what kept them back
                      --> dlq                           what is no event, whole, with the reason

Next: `streams.deliver`.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from streams import clock, failpoints, headers, metrics
from streams.codec import Decoder, Undecodable
from streams.destinations import Audience
from streams.dispatch import Tasks, until_done
from streams.flight import Batch, Record
from streams.headers import Death, Source
from streams.letters import Letters
from streams.producer import Outgoing
from streams.records import Routed
from streams.retry import Reason
from streams.topics import Names

log = logging.getLogger(__name__)

#: A destination and the rule that kept events back (None: it gets them), or "" and why they are no events.
Lane = tuple[str, str | None]


class Router:
    """Fans each event out to its destinations."""

    def __init__(self, decoder: Decoder, audience: Audience, letters: Letters, names: Names) -> None:
        self._decoder = decoder
        self._audience = audience
        self._letters = letters
        self._routed_topic = names.routed
        self._addressed = {to.name: headers.addressed(to.name) for to in audience.destinations}
        self.tasks = Tasks()

    async def begin(self, batch: Batch) -> None:
        """Start on a batch; the window of its partition bounds how many are under way."""
        batch.begin(len(batch.records))
        self.tasks.spawn(until_done("route", batch, lambda: self._route(batch)))

    async def _route(self, batch: Batch) -> None:
        await self.route(batch.records)
        batch.done_all()

    async def route(
        self, records: Sequence[Record], replay: str | None = None, only: str | None = None
    ) -> None:
        """Route records of one partition, in order; returns when all that follows from them is durable.

        `replay` marks them as part of a replay; `only` names the one destination that it is for.
        """
        await self._decoder.prepare(record.value for record in records)
        outgoing, lanes = self._fan_out(records, replay, only)
        await self._letters.send(outgoing)
        if failpoints.ARMED:
            failpoints.hit("after-route-produce")
        # Only now, so that whatever the routed topic says was put on a topic is on that topic.
        instants = [record.timestamp for record in records]
        notes = Routed.of(records[0].topic, records[0].partition, records, lanes, replay, instants)
        await self._letters.send([Outgoing(self._routed_topic, note.encode()) for note in notes])
        for (destination, rule), offsets in lanes.items():
            metrics.ROUTED.labels(destination or "none", rule or "none").inc(len(offsets))

    def _fan_out(
        self, records: Sequence[Record], replay: str | None, only: str | None
    ) -> tuple[list[Outgoing], Mapping[Lane, list[int]]]:
        """What to write for these records, and which offsets are in which lane."""
        outgoing: list[Outgoing] = []
        lanes: defaultdict[Lane, list[int]] = defaultdict(list)
        for record in records:
            source = Source(record.topic, record.partition, record.offset)
            try:
                event = self._decoder.decode(record.value)
            except Undecodable as fault:
                lanes["", fault.reason].append(record.offset)
                if replay is None:  # the dlq has had it since it was first read
                    outgoing.append(self._dead(record, source, fault))
                continue
            own, shared = headers.own(record.headers), headers.shared(event_id(event, source), source, replay)
            for to, rule in zip(self._audience.destinations, self._audience.decide(event), strict=True):
                if only is not None and to.name != only:
                    continue
                lanes[to.name, rule].append(record.offset)
                if rule is None:
                    addressed = self._addressed[to.name]
                    outgoing.append(Outgoing(to.topic, record.value, record.key, [*own, addressed, *shared]))
        return outgoing, lanes

    def _dead(self, record: Record, source: Source, fault: Undecodable) -> Outgoing:
        log.info("event.undecodable source=%s reason=%s", source, fault.reason)
        death = Death(Reason.UNDECODABLE, fault.reason, fault.detail, int(clock.now() * 1000))
        return self._letters.dead(record, death, source)


def event_id(event: Mapping[str, Any], source: Source) -> str:
    """The producer's messageId; without one the event's own place, which is as unique and as stable."""
    return event.get("messageId") or str(source)
