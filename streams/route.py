"""The way of an event begins here: from the inbound topic to `deliver.<destination>`.

    events --> [route] --> deliver.<destination>        one record for each destination that should have it
                      --> routed                        which offsets went where, or what kept them back
                      --> dlq                           what is no event, whole, with the reason

Next: `streams.deliver`.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache

from streams import clock, failpoints, headers, metrics
from streams.bulk import Bulk, Ours
from streams.codec import Decoder, Undecodable
from streams.copies import Alike, Copies, Lane, apart, shares
from streams.destinations import Audience
from streams.dispatch import GivenBack, Tasks, until_done
from streams.express import Express
from streams.flight import Batch, Record
from streams.headers import Death, Source
from streams.letters import Letters
from streams.packing import Content
from streams.producer import Outgoing
from streams.records import Routed
from streams.retry import Reason
from streams.topics import Names

log = logging.getLogger(__name__)

#: So many records are a bulk of their own: while they waited for more, nobody else's would come.
MANY = 100
#: For each destination, in order: None, or the rule that keeps an event back.
Decided = tuple[str | None, ...]


class Router:
    """Fans each event out to its destinations."""

    def __init__(
        self,
        decoder: Decoder,
        audience: Audience,
        letters: Letters,
        names: Names,
        patient: Letters | None = None,
        express: Express | None = None,
        unwell: Callable[[], Set[str]] = frozenset,
    ) -> None:
        """`express` writes events as long as it can, `letters` the rest; `patient` what nobody waits for.

        `unwell` names the topics of destinations that take nothing now; none while a drain is under way.
        """
        self._decoder = decoder
        self._audience = audience
        self._letters, self._patient = letters, patient or letters
        self._copies = Copies(audience, letters, express)
        self._routed_topic = names.routed
        self.tasks = Tasks()
        self._unwell = unwell
        self.bulk = Bulk(Copies(audience, self._patient, express).send, self.tasks)

    async def begin(self, batch: Batch) -> None:
        """Start on a batch; the window of its partition bounds how many are under way."""
        batch.begin(len(batch.records))
        self.tasks.spawn(until_done("route", batch, lambda: self._route(batch)))

    async def _route(self, batch: Batch) -> None:
        async def ours() -> bool:
            return batch.certain or await batch.held()

        await self.route(batch.records, ours=ours)
        batch.done_all()

    async def route(
        self,
        records: Sequence[Record],
        replay: str | None = None,
        only: str | None = None,
        ours: Ours | None = None,
    ) -> None:
        """Route records of one partition, in order; returns when all that follows from them is durable.

        `replay` marks them as part of a replay; `only` names the one destination that it is for. `ours`: some
        may be written in bulk, and are, if they are still ours by then.

        Raises:
            GivenBack: they were not.
        """
        await self._decoder.prepare(record.value for record in records)
        alike, dead, lanes = self._fan_out(records, replay, only)
        late = self._unwell()
        if late and ours is not None and len(records) < MANY:
            await self._send_apart(alike, late, ours)
        else:
            await self._copies.send(shares(alike))
        await self._letters.send(dead)
        if failpoints.ARMED:
            failpoints.hit("after-route-produce")
        # Only now, so that whatever the routed topic says was put on a topic is on that topic.
        instants = [record.timestamp for record in records]
        notes = Routed.of(records[0].topic, records[0].partition, records, lanes, replay, instants)
        await self._patient.send([Outgoing(self._routed_topic, note.encode()) for note in notes])
        for (destination, rule), offsets in lanes.items():
            _routed(destination or "none", rule or "none").inc(len(offsets))

    async def _send_apart(self, alike: Sequence[Alike], late: Set[str], ours: Ours) -> None:
        """Now, and in bulk what is for these topics."""
        now, held = apart(shares(alike), late)
        await self._copies.send(now)
        if not self._unwell():  # any more, or a drain has begun
            await self._copies.send(held)
        elif held:
            await self.bulk.send(held, ours)
            if not await ours():
                raise GivenBack

    def _fan_out(
        self, records: Sequence[Record], replay: str | None, only: str | None
    ) -> tuple[list[Alike], list[Outgoing], Mapping[Lane, list[int]]]:
        """What goes where, what is no event, and which offsets are in which lane."""
        dead: list[Outgoing] = []
        lanes: defaultdict[Lane, list[int]] = defaultdict(list)
        alike: dict[Decided, Alike] = {}
        place = f"{records[0].topic}/{records[0].partition}"
        for record in records:
            offset = record.offset
            try:
                event = self._decoder.outline(record.value)
            except Undecodable as fault:
                lanes["", fault.reason].append(offset)
                if replay is None:  # the dlq has had it since it was first read
                    dead.append(self._dead(record, fault))
                continue
            decided = tuple(self._audience.decide(event.type, event.integrations))
            some = alike.get(decided)
            if some is None:
                some = alike[decided] = self._alike(decided, only)
            some.offsets.append(offset)
            source = f"{place}/{offset}"
            # The producer's messageId; without one the event's own place, which is as unique and as stable.
            known = headers.shared(event.message_id or source, source, replay)
            if record.headers:
                known = [*headers.own(record.headers), *known]
            # As Content(...), whose own __new__ is not compiled.
            some.contents.append(tuple.__new__(Content, (record.value, record.key, known)))
        for some in alike.values():
            for lane in some.lanes:
                lanes[lane] += some.offsets
        if len(alike) > 1:
            for offsets in lanes.values():
                offsets.sort()
        return list(alike.values()), dead, lanes

    def _alike(self, decided: Decided, only: str | None) -> Alike:
        """No event yet, for which this was decided."""
        found = Alike([], [])
        for to, rule in zip(self._audience.destinations, decided, strict=True):
            if only is None or to.name == only:
                found.lanes.append((to.name, rule))
                if rule is None:
                    found.topics.append(to.topic)
        return found

    def _dead(self, record: Record, fault: Undecodable) -> Outgoing:
        source = Source(record.topic, record.partition, record.offset)
        log.info("event.undecodable source=%s reason=%s", source, fault.reason)
        death = Death(Reason.UNDECODABLE, fault.reason, fault.detail, int(clock.now() * 1000))
        return self._letters.dead(record, death, source)


#: The lookup of labels costs more than the counting: once for each of the few there are.
_routed = lru_cache(maxsize=4096)(metrics.ROUTED.labels)
