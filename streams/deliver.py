"""From `deliver.<destination>` over HTTP to the destination; what comes back goes to `streams.settle`.

Records begin in offset order per partition, as many at a time as the destination's `in_flight` allows,
and finish in any order. Each destination has its own topic, slots and HTTP client: one that is slow or
dead fills its own window and nobody else's.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.answers import Answer, Outcome, retry_after_s
from connectors.base import Bound, Unmappable
from streams import clock, failpoints, headers, retry
from streams.codec import Decoder, Undecodable
from streams.dispatch import Tasks, until_done
from streams.flight import Batch, Record
from streams.headers import Tracking
from streams.health import Health
from streams.masking import Masking
from streams.request import Sender
from streams.retry import Policy
from streams.settle import Settler, Stray, Verdict
from streams.settling import Ended, Settling
from streams.slots import Slots

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """What it takes to deliver to one destination."""

    bound: Bound
    client: Sender
    slots: Slots
    #: Of the destination's secrets: some answers repeat what they were sent.
    mask: Masking
    health: Health
    #: The destination's: whose topic it is.
    name: str

    def chunks(self, count: int) -> Iterator[range]:
        """The records of a batch, grouped into requests: one each, or as many as one request may carry."""
        size = self.bound.batch.max_events if self.bound.batch else 1
        for first in range(0, count, size):
            yield range(first, min(first + size, count))

    def free_slot(self, *, failed: bool) -> None:
        """Give a slot back: at once, unless the request failed and the destination is unwell."""
        if failed and self.health.unwell(clock.steady()):
            self.health.rest()
        else:
            self.slots.release()


class Parcel:
    """One event in hand, and how its attempt ended."""

    __slots__ = ("answer", "detail", "item", "outcome", "record", "started", "tracking")

    def __init__(self, record: Record, tracking: Tracking) -> None:
        self.record, self.tracking = record, tracking
        self.item: bytes | None = None
        self.started: float | None = None  #: by `clock.steady`; None: no request was made
        self.outcome = Outcome.UNMAPPABLE
        self.answer: Answer | None = None
        self.detail = ""


async def known() -> None:
    """What time it is, is known."""


@dataclass
class Delivery:
    """Delivers the batches of every `deliver` topic."""

    lanes: Mapping[str, Lane]
    decoder: Decoder
    settler: Settler
    policy: Policy
    #: Returns when the brokers have had a word on the time, or say nothing.
    word: Callable[[], Awaitable[None]] = known
    tasks: Tasks = field(default_factory=Tasks)

    def __post_init__(self) -> None:
        self.settling = Settling(self.settler, self.tasks)

    async def begin(self, batch: Batch) -> None:
        """Begin the records of a batch in order; returns when all have begun."""
        lane = self.lanes[batch.tp.topic]
        for chunk in lane.chunks(len(batch.records)):
            if not lane.slots.take():
                await lane.slots.wait()
            if batch.halted or not (batch.certain or await batch.free()):
                lane.slots.release()
                return
            batch.begin(len(chunk))
            self.tasks.spawn(self._deliver(lane, batch, chunk))

    async def _deliver(self, lane: Lane, batch: Batch, chunk: range) -> None:
        records = batch.records[chunk.start : chunk.stop]
        opened: Sequence[Parcel | Stray] = ()
        try:
            opened = await self._opened(lane, batch, records)
            ends = await self._attempt(lane, opened)
        finally:  # the window bounds what is being settled
            lane.free_slot(failed=lane.health.since is not None and any(map(_failed, opened)))
        if failpoints.ARMED:
            failpoints.hit("after-answer")
        unwell = lane.health.since is not None and lane.health.unwell(clock.steady())
        self.settling.take(Ended(batch, chunk, ends), late=unwell)

    async def _opened(self, lane: Lane, batch: Batch, records: Sequence[Record]) -> list[Parcel | Stray]:
        if not self.decoder.asks:
            try:
                return [self._open(lane, record) for record in records]
            except Exception:
                log.exception("deliver.error topic=%s partition=%d", *batch.tp)
        return await until_done("deliver", batch, lambda: self._open_all(lane, records))

    async def _open_all(self, lane: Lane, records: Sequence[Record]) -> list[Parcel | Stray]:
        if self.decoder.asks:
            await self.decoder.prepare(record.value for record in records)
        return [self._open(lane, record) for record in records]

    def _open(self, lane: Lane, record: Record) -> Parcel | Stray:
        """Read a record and make the connector's item of it, or say why there is none."""
        try:
            parcel = Parcel(record, headers.read(record.headers, lane.name))
        except headers.Malformed as malformed:  # a name of its own: mypyc gives a name one type
            return Stray(record, str(malformed))
        try:
            event = self.decoder.decode(record.value)
            event.setdefault("messageId", parcel.tracking.event_id)
            parcel.item = lane.bound.item(event)
        except (Unmappable, Undecodable) as fault:
            parcel.detail = str(fault)
        return parcel

    async def _attempt(self, lane: Lane, opened: Sequence[Parcel | Stray]) -> list[Verdict | Stray]:
        """Make the request for these events (several, where one can't hold them) and decide for each."""
        sendable = [one for one in opened if isinstance(one, Parcel) and one.item is not None]
        while sendable:
            count = lane.bound.batch.take([one.item or b"" for one in sendable]) if lane.bound.batch else 1
            await _send(lane, sendable[:count])
            sendable = sendable[count:]
        if any(map(_failed, opened)):
            await self.word()  # a retry is for a moment: by a clock that is wrong, for a wrong one
        return [self._verdict(lane, one) if isinstance(one, Parcel) else one for one in opened]

    def _verdict(self, lane: Lane, parcel: Parcel) -> Verdict:
        answer, started = parcel.answer, clock.steady() if parcel.started is None else parcel.started
        started_ms = int(clock.at(started) * 1000)
        if parcel.outcome is Outcome.DELIVERED:  # mostly: without what only a failure needs
            decided = retry.delivered(self.policy, parcel.tracking, started_ms)
            return Verdict(parcel.record, decided, answer, started_ms, parcel.detail)
        now = clock.now()
        decision = retry.decide(
            self.policy,
            parcel.tracking,
            parcel.outcome,
            code=answer.code if answer else "",
            ambiguous=answer.ambiguous if answer else False,
            retry_after_s=retry_after_s(answer.headers, now) if answer and answer.headers else None,
            started_ms=started_ms,
            now_ms=int(now * 1000),
            roll=random.random(),  # noqa: S311
        )
        detail = lane.mask.head(answer.body.decode("utf-8", "replace")) if answer else parcel.detail
        return Verdict(parcel.record, decision, answer, started_ms, detail)


def _failed(one: Parcel | Stray) -> bool:
    """Whether a request was made, and is to be made again."""
    return isinstance(one, Parcel) and one.outcome is Outcome.RETRY


async def _send(lane: Lane, parcels: Sequence[Parcel]) -> None:
    """One request for all of them; notes in each how it ended. Never raises."""
    key, started = headers.idempotency_key(parcels[0].tracking), clock.steady()
    try:
        request = lane.bound.request([parcel.item or b"" for parcel in parcels], key, clock.now())
    except Exception as fault:  # a connector's own mistake: nothing was sent, and the dlq keeps the event
        log.exception("connector.error connector=%s", lane.bound.connector.name)
        for parcel in parcels:
            parcel.detail = f"the connector failed: {type(fault).__name__}"
        return
    if failpoints.ARMED:
        failpoints.hit("before-send")
    lane.health.tried(started)
    answer = await lane.client.send(request)
    for parcel, outcome in zip(parcels, lane.bound.outcomes(answer, len(parcels)), strict=True):
        parcel.outcome, parcel.answer, parcel.started = outcome, answer, started
        if outcome is Outcome.RETRY:
            lane.health.failed()
        else:
            lane.health.took()
