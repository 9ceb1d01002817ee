"""What we know of an event on its way, as Kafka headers beside the untouched value.

Every name begins with ``distributary.`` and every value is UTF-8 text, so any topic can be read
with everyday Kafka tools::

    distributary.destination   crm-hook           distributary.attempt      3
    distributary.event-id      evt-1              distributary.not-before   1760000060000
    distributary.source        events/3/1234      distributary.last-error   503

On its way to the first attempt a record does without the first: its topic says it, and all destinations get
the same. The producer's own headers travel along in front of ours. What arrives on the inbound topic under
our prefix is dropped there (``own``), so a producer can't pretend to an attempt or a deadline.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from streams.header_values import Malformed as Malformed
from streams.header_values import Source as Source
from streams.header_values import as_count, as_instant, as_source, as_text

#: header -> the field of a dataclass, and what reads it
_Table = Mapping[str, tuple[str, Callable[[str, bytes], Any]]]

#: One record header as both Kafka clients give and take it; None is a null value, which Kafka allows.
Header = tuple[str, bytes | None]

PREFIX = "distributary."

#: An event id longer than this many bytes travels as its digest: a producer's id of a megabyte
#: must not push the record beyond what the broker takes.
LONGEST_EVENT_ID = 1024

#: The explanation in a dlq record, bytes of UTF-8: as much as is kept of an answer's body by default.
LONGEST_DETAIL = 4096

#: An idempotency key longer than this is hashed: header values are kept short on purpose.
LONGEST_KEY = 256


class Tracking(NamedTuple):
    """What we know of one event on its way to one destination. Instants are epoch milliseconds.

    A tuple, because several are made of every event, and one costs a third of what a frozen dataclass does.
    """

    destination: str
    event_id: str
    source: Source
    #: Attempts made so far.
    attempt: int = 0
    first_attempt_ms: int | None = None
    deadline_ms: int | None = None
    #: No attempt before this.
    not_before_ms: int | None = None
    #: When this pass through a delay tier ends; never after not_before_ms.
    due_ms: int | None = None
    #: The delay tier it waits in.
    tier: str | None = None
    #: How the latest failed attempt failed: ``503``, ``ECONNREFUSED``.
    last_error: str | None = None
    #: Failed attempts that may have been delivered all the same.
    maybe_delivered: int = 0
    #: The replay this record belongs to.
    replay: str | None = None
    #: How often it was brought back from the dlq.
    redrives: int = 0

    def redriven(self) -> "Tracking":
        """The same event brought back from the dlq: a new plan and budget, the same identity.

        The ambiguous attempts stay counted, for they still may have been delivered.
        """
        return Tracking(
            self.destination,
            self.event_id,
            self.source,
            maybe_delivered=self.maybe_delivered,
            replay=self.replay,
            redrives=self.redrives + 1,
        )


@dataclass(frozen=True, slots=True)
class Death:
    """Why and when a record ended in the dlq."""

    #: One of ``retry.Reason``; any word, so that an older version can read what a newer one wrote.
    reason: str
    #: The code of the last answer (``400``, ``ECONNREFUSED``); None where no attempt was made.
    error: str | None
    #: The head of the answer's body, or an explanation; cut at LONGEST_DETAIL bytes when written.
    detail: str | None
    at_ms: int


def write(tracking: Tracking, own: Iterable[Header] = ()) -> list[Header]:
    """All headers of a record on its way: the producer's ``own`` first, then ours.

    A field that has its default is left out.
    """
    return [
        *own,
        ("distributary.destination", _bytes(tracking.destination)),
        ("distributary.event-id", _bytes(event_id(tracking.event_id))),
        ("distributary.source", _bytes(str(tracking.source))),
        *[
            (name, str(value).encode("utf-8", "backslashreplace"))  # _bytes, without its call: hot
            for name, value, default in zip(_OPTIONAL, tracking[3:], _DEFAULTS, strict=True)
            if value != default
        ],
    ]


def shared(of_event: str, source: str, replay: str | None = None) -> list[Header]:
    """What the records of one event say on their way to each destination, before any attempt: the same for
    all. Which destination it is, their topic says; ``addressed`` would add it. ``source`` as written."""
    ours: list[Header] = [
        ("distributary.event-id", _bytes(event_id(of_event))),
        ("distributary.source", source.encode()),
    ]
    return ours if replay is None else [*ours, ("distributary.replay", _bytes(replay))]


def addressed(destination: str) -> Header:
    """The header that names the destination."""
    return "distributary.destination", _bytes(destination)


def read(headers: Iterable[Header] | None, destination: str | None = None) -> Tracking:
    """What ``write`` wrote. Raises Malformed, naming the header, for what is missing or nonsense.

    ``destination``: whose topic the record is on, where it is on one.
    """
    if (
        destination and headers.__class__ is list and len(headers) == 2
    ):  # mostly: there is nothing else to say
        (first, event), (second, source) = headers
        if (first, second) == _FRESH and event and source:
            # As Tracking(...), whose own __new__ is not compiled.
            known = destination, as_text(first, event), as_source(second, source), *_DEFAULTS
            return tuple.__new__(Tracking, known)
    found = _fields(headers, _TRACKING, *(() if destination else ("destination",)), "event-id", "source")
    return Tracking(**{"destination": destination, **found})


def write_death(death: Death, subject: Tracking | Source, own: Iterable[Header] = ()) -> list[Header]:
    """All headers of a dlq record. ``subject``: its tracking, or the source alone when the record
    could not be read far enough to have a destination and an event id."""
    if isinstance(subject, Source):
        headers = [*own, ("distributary.source", _bytes(str(subject)))]
    else:
        headers = write(subject, own)
    for name, (field, _) in _DEATH.items():
        value = getattr(death, field)
        if value is not None:
            headers.append((name, _cut(_bytes(str(value)), LONGEST_DETAIL)))
    return headers


def read_death(headers: Iterable[Header] | None) -> Death:
    """What ``write_death`` wrote of the death itself. Raises Malformed, as ``read`` does."""
    found = _fields(headers, _DEATH, "reason", "dead-at")
    return Death(found["reason"], found.get("error"), found.get("detail"), found["at_ms"])


def read_source(headers: Iterable[Header] | None) -> Source:
    """The source alone: all there is of a record that could not be decoded. Raises Malformed."""
    source: Source = _fields(headers, _ORIGIN, "source")["source"]
    return source


def detail(body: bytes) -> str | None:
    """The head of an answer's body as a death's detail: what is no UTF-8 is shown as replaced."""
    return body[:LONGEST_DETAIL].decode("utf-8", "replace") or None


def own(headers: Iterable[Header] | None) -> list[Header]:
    """The producer's own headers, in order, repeated ones and null values included."""
    return [header for header in headers or () if not header[0].startswith(PREFIX)]


def event_id(raw: str) -> str:
    """A producer's event id as it travels: itself, or what stands for it where it can't.

    Lone surrogates, which JSON can spell but UTF-8 can't, are written as escapes; an id beyond
    LONGEST_EVENT_ID bytes becomes its digest. Applied twice it changes nothing.
    """
    if len(raw) <= LONGEST_EVENT_ID and raw.isascii():
        return raw
    encoded = _bytes(raw)
    if len(encoded) > LONGEST_EVENT_ID:
        return f"sha256-{hashlib.sha256(encoded).hexdigest()}"
    return encoded.decode()


def idempotency_key(tracking: Tracking) -> str:
    """``<event id>_<destination>``, the same for every attempt, replay and redrive.

    Where that is no safe header value (visible ASCII without a full stop, at most LONGEST_KEY) it
    is the SHA-256 of both in hex. No full stop, because Standard Webhooks signs
    ``id.timestamp.body`` and wants none in an id that users can choose: it could shift the
    borders of what is signed. A destination's name has no underscore, so no two pairs share a key.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = f"{event_id(tracking.event_id)}_{tracking.destination}"
    if len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key and "." not in key:
        return key
    return hashlib.sha256(_bytes(key)).hexdigest()


def _fields(headers: Iterable[Header] | None, table: _Table, *required: str) -> dict[str, Any]:
    """Our headers as the fields of a dataclass; of repeated ones the last counts, as Kafka has it."""
    found = {}
    for name, value in headers or ():
        entry = table.get(name)
        if entry is not None and value is not None:
            field, reader = entry
            found[field] = reader(name, value)
    for kebab in required:
        if found.get(table[PREFIX + kebab][0]) in (None, ""):
            raise Malformed(PREFIX + kebab, "missing")
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _cut(encoded: bytes, limit: int) -> bytes:
    """At most ``limit`` bytes, cut between characters."""
    return encoded if len(encoded) <= limit else encoded[:limit].decode("utf-8", "ignore").encode()


_TRACKING: _Table = {
    "distributary.destination": ("destination", as_text),
    "distributary.event-id": ("event_id", as_text),
    "distributary.source": ("source", as_source),
    "distributary.attempt": ("attempt", as_count),
    "distributary.first-attempt": ("first_attempt_ms", as_instant),
    "distributary.deadline": ("deadline_ms", as_instant),
    "distributary.not-before": ("not_before_ms", as_instant),
    "distributary.due": ("due_ms", as_instant),
    "distributary.tier": ("tier", as_text),
    "distributary.last-error": ("last_error", as_text),
    "distributary.maybe-delivered": ("maybe_delivered", as_count),
    "distributary.replay": ("replay", as_text),
    "distributary.redrives": ("redrives", as_count),
}
_DEATH: _Table = {
    "distributary.reason": ("reason", as_text),
    "distributary.error": ("error", as_text),
    "distributary.detail": ("detail", as_text),
    "distributary.dead-at": ("at_ms", as_instant),
}
_ORIGIN: _Table = {"distributary.source": ("source", as_source)}

#: The headers of a record on its way to its first attempt, where its producer gave it none.
_FRESH = tuple(_TRACKING)[1:3]
_OPTIONAL = tuple(_TRACKING)[3:]
_DEFAULTS = Tracking("", "", Source("", 0, 0))[3:]
