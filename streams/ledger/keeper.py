"""Keeping the ledger: a turn reads what is new on the topics, folds it in and does the sums.

The first turn reads as far back as `routed`, `attempts` and `dlq` all reach; a later one, of this process or
of the next that has the state, only what came since. What was folded in and how far was read change
together, so a turn that breaks off is simply gone on with.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from streams import headers
from streams.decoding.undecodable import Undecodable
from streams.flight import Partition
from streams.ledger import extent, inbound
from streams.ledger.accounts import Account
from streams.ledger.attempts import Attempts
from streams.ledger.deaths import Cause
from streams.ledger.entries import HOUR_MS, Entries
from streams.ledger.extent import Extent
from streams.ledger.inbound import Gaps
from streams.ledger.moving import Moving
from streams.records import Routed
from streams.scan import Scanner, record_of
from streams.settings import Settings
from streams.topics import Names


@dataclass
class Ledger:
    """All that is known from the topics, and how far they were read."""

    #: Of whom: the cluster, the topics and their ids. Another one's ledger is of no use.
    identity: dict[str, str] = field(default_factory=dict)
    entries: Entries = field(default_factory=Entries)
    gaps: Gaps = field(default_factory=Gaps)
    #: The first offset of routed, attempts and dlq not read yet, by partition.
    cursors: dict[Partition, int] = field(default_factory=dict)
    #: Notes written before this (epoch ms) are not in it; 0: it has all there ever were.
    since_ms: int = 0


@dataclass
class Keeper:
    """Keeps one ledger up to date. `say` is told when one can't be used and all is read anew."""

    scanner: Scanner
    settings: Settings
    ledger: Ledger | None = None
    say: Callable[[str], None] = lambda _text: None
    clock: Callable[[], float] = time.time
    #: Called for every few thousand records read: a sign of life.
    beat: Callable[[], None] = lambda: None
    records_read: int = 0

    def __post_init__(self) -> None:
        self.names = Names.of(self.settings)
        self._moving = Moving(Entries(), self.names.whose)

    def turn(self) -> tuple[Ledger, Extent]:
        """Read what is new. Raises KafkaException; the next turn then goes on."""
        until = extent.look(self.scanner, self.settings.inbound.topic, self.names)
        ledger = self._fitting(until)
        if self._moving.entries is not ledger.entries:
            self._moving = Moving(ledger.entries, self.names.whose)
        self._forget(ledger, until)
        self._read(ledger, until)
        inbound.look_at_gaps(self.scanner, ledger.entries, ledger.gaps, until)
        return ledger, until

    # -- which ledger --------------------------------------------------------------------------

    def _fitting(self, until: Extent) -> Ledger:
        """The ledger there is, if it is of these topics and nothing is gone that it has not read."""
        identity = self._identity()
        if self.ledger is not None:
            if not (why := self._misfit(self.ledger, identity, until)):
                return self.ledger
            self.say(f"the ledger so far can't be gone on with, so all is read anew: {why}")
        self.ledger = self._anew(identity, until)
        return self.ledger

    def _identity(self) -> dict[str, str]:
        names, topic = self.names, self.settings.inbound.topic
        ids = self.scanner.identities([topic, names.routed, names.attempts, names.dlq])
        return {"cluster": self.scanner.topics().cluster, "prefix": names.prefix, "inbound": topic, **ids}

    def _misfit(self, ledger: Ledger, identity: dict[str, str], until: Extent) -> str:
        for name in identity | ledger.identity:
            if (was := ledger.identity.get(name)) != (found := identity.get(name)):
                return f"{name} is {found or 'missing'}, and was {was or 'missing'}"
        for tp, low in until.lows.items():
            cursor = ledger.cursors.get(tp, 0)
            if cursor < low:
                return f"{tp.topic}/{tp.partition} begins at {low}, and was read up to {cursor} only"
            if cursor > until.highs[tp]:
                return f"{tp.topic}/{tp.partition} ends at {until.highs[tp]}, and was read up to {cursor}"
        return ""

    def _anew(self, identity: dict[str, str], until: Extent) -> Ledger:
        since_ms = self._since_ms()
        routed = [tp for tp in until.lows if tp.topic == self.names.routed]
        cursors = dict(until.lows) | self.scanner.at_time(routed, since_ms)
        complete = not any(cursors[tp] for tp in routed)
        return Ledger(identity, cursors=cursors, since_ms=0 if complete else since_ms)

    def _since_ms(self) -> int:
        """The hour back to which all three topics reach."""
        kept = self.settings.kafka.retention
        ms = int((self.clock() - min(kept.routed, kept.attempts, kept.dlq)) * 1000)
        return max(0, ms // HOUR_MS * HOUR_MS)

    def _forget(self, ledger: Ledger, until: Extent) -> None:
        since_ms = self._since_ms()
        oldest = min((min(hours) for hours in ledger.entries.marks.values() if hours), default=None)
        if oldest is not None and oldest * HOUR_MS < since_ms:
            ledger.entries.forget(since_ms)
            ledger.since_ms = since_ms
        dlq = {tp.partition: low for tp, low in until.lows.items() if tp.topic == self.names.dlq}
        ledger.entries.deaths.cut(dlq)
        ledger.gaps.cut(until.starts)

    # -- reading -------------------------------------------------------------------------------

    def _read(self, ledger: Ledger, until: Extent) -> None:
        tiers = {tp: (extent.tier_of(tp, self.names), start) for tp, start in until.unfinished.items()}
        starts = {**{tp: ledger.cursors.get(tp, 0) for tp in until.highs}, **self._moving.begin(tiers)}
        ends = {**until.highs, **until.moving}
        for messages in self.scanner.messages(starts, ends):
            self._fold(ledger, messages)
            self.records_read += len(messages)
            self.beat()
        ledger.cursors.update(until.highs)

    def _fold(self, ledger: Ledger, messages: Sequence[Message]) -> None:
        """What these records add, and how far they reach, together."""
        attempts, by_partition = Attempts(), defaultdict[Partition, list[Message]](list)
        for message in messages:
            by_partition[Partition(message.topic(), message.partition())].append(message)
        for tp, found in by_partition.items():
            match tp.topic:
                case self.names.attempts:
                    for message in found:
                        attempts.add(message.value())
                case self.names.routed:
                    self._notes(ledger, found)
                case self.names.dlq:
                    self._deaths(ledger, found)
                case _:
                    self._moving.add(tp, [record_of(one) for one in found], found[-1].offset() + 1)
                    continue
            ledger.cursors[tp] = found[-1].offset() + 1
        for kind, offsets in attempts.take():
            ledger.entries.attempted(kind, offsets, self.names.dlq)

    def _notes(self, ledger: Ledger, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                routed = Routed.decode(message.value())
            except Undecodable:
                continue  # put there by hand
            ledger.entries.note(routed, message.timestamp()[1])

    def _deaths(self, ledger: Ledger, messages: Sequence[Message]) -> None:
        for record in map(record_of, messages):
            try:
                tracking, death = headers.read(record.headers), headers.read_death(record.headers)
            except headers.Malformed:
                continue  # undecodable inbound records have no destination; the routed topic counts them
            cause = Cause(Account.of(tracking), death.reason)
            ledger.entries.died(record.partition, record.offset, cause, tracking.source.offset)
