"""The dlq: looking at what is dead, and bringing it back to its destination's topic.

Bringing back leaves the dlq record where it is (a topic is not edited) and writes a note to the
attempts topic; a record with such a note is not dead any more and is not brought back twice.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams import attempts, headers
from streams.attempts import Attempt, Outcome
from streams.flight import Record
from streams.headers import Death, Source, Tracking
from streams.letters import Letters
from streams.producer import Outgoing
from streams.scan import Scanner
from streams.topics import Names

#: Records brought back together.
CHUNK = 200
#: Destination, replay and source of an event.
Identity = tuple[str | None, str | None, Source]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dlq."""

    at: Source  #: its own place in the dlq
    record: Record
    death: Death
    source: Source
    tracking: Tracking | None  #: None where the event could not be read: it has no destination

    @property
    def identity(self) -> Identity:
        """One event for one destination; a record written twice has it twice."""
        tracking = self.tracking
        return (tracking.destination, tracking.replay, self.source) if tracking else (None, None, self.source)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant; None means any."""

    destination: str | None = None
    reason: str | None = None
    error: str | None = None
    event_id: str | None = None

    @property
    def any(self) -> bool:
        """Whether anything was chosen at all."""
        return self != Wanted()

    def __contains__(self, letter: DeadLetter) -> bool:
        tracking = letter.tracking
        return (
            (self.destination is None or (tracking is not None and tracking.destination == self.destination))
            and self.reason in (None, letter.death.reason)
            and self.error in (None, letter.death.error)
            and (self.event_id is None or (tracking is not None and tracking.event_id == self.event_id))
        )


def dead(scanner: Scanner, names: Names, wanted: Wanted) -> Iterator[DeadLetter]:
    """What is dead now and wanted, oldest first within a partition; what was brought back is left out."""
    brought_back = _brought_back(scanner, names)
    for records in scanner.read({}, scanner.ends(scanner.partitions([names.dlq]))):
        for record in records:
            letter = _letter(record)
            if letter and letter in wanted and str(letter.at) not in brought_back:
                yield letter


def _brought_back(scanner: Scanner, names: Names) -> set[str]:
    found: set[str] = set()
    for records in scanner.read({}, scanner.ends(scanner.partitions([names.attempts]))):
        notes = attempts.readable(record.value for record in records)
        found.update(note.reason or "" for note in notes if note.outcome is Outcome.REDRIVEN)
    return found


def _letter(record: Record) -> DeadLetter | None:
    at = Source(record.topic, record.partition, record.offset)
    try:
        death = headers.read_death(record.headers)
        source = headers.read_source(record.headers)
    except headers.Malformed:
        return None  # put there by hand: not ours to bring back
    try:
        tracking = headers.read(record.headers)
    except headers.Malformed:
        tracking = None
    return DeadLetter(at, record, death, source, tracking)


@dataclass(slots=True)
class Redriven:
    """What came of a redrive, in events."""

    back: int = 0
    without_destination: int = 0  #: undecodable: fix the producer, or replay the source
    without_bytes: int = 0  #: too large for the dlq: replay the source
    not_configured: int = 0  #: their destination is not in the config: nobody would read its topic


async def redrive(letters: Letters, names: Names, chosen: Iterator[DeadLetter], worker: str) -> Redriven:
    """Put each back on its destination's topic, with a new plan and budget and the same idempotency key."""
    chunk: list[DeadLetter] = []
    back: set[Identity] = set()
    kept: dict[str, set[Identity]] = {
        "without_destination": set(),
        "without_bytes": set(),
        "not_configured": set(),
    }
    for letter in chosen:
        if why := _kept(letter, names):
            kept[why].add(letter.identity)
            continue
        chunk.append(letter)
        if len(chunk) == CHUNK:
            await _bring_back(letters, names, chunk, back, worker)
            chunk = []
    await _bring_back(letters, names, chunk, back, worker)
    return Redriven(len(back), **{why: len(events - back) for why, events in kept.items()})


def _kept(letter: DeadLetter, names: Names) -> str | None:
    """Why this one can't be brought back."""
    if letter.tracking is None:
        return "without_destination"
    if letter.tracking.destination not in names.destinations:
        return "not_configured"
    return "without_bytes" if letter.record.value is None else None


async def _bring_back(
    letters: Letters,
    names: Names,
    chunk: Sequence[DeadLetter],
    seen: set[Identity],
    worker: str,
) -> None:
    """The records first, the notes when they are durable: a crash between repeats, it does not lose."""
    once = {letter.identity: letter for letter in chunk if letter.identity not in seen}.values()
    seen.update(letter.identity for letter in once)
    await letters.send([_onward(names, letter) for letter in once])
    await letters.send([_note(names, letter, worker) for letter in chunk])


def _onward(names: Names, letter: DeadLetter) -> Outgoing:
    assert letter.tracking is not None
    record, tracking = letter.record, letter.tracking.redriven()
    topic = names.deliver(tracking.destination)
    return Outgoing(topic, record.value, record.key, headers.write(tracking, headers.own(record.headers)))


def _note(names: Names, letter: DeadLetter, worker: str) -> Outgoing:
    assert letter.tracking is not None
    note = Attempt.redriven(letter.tracking, at=str(letter.at), now_ms=int(time.time() * 1000), worker=worker)
    return Outgoing(names.attempts, attempts.encode([note])[0])
