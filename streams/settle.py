"""The one place that writes an outcome: the record that follows from it, and what is recorded of the attempt.

    delivered --> attempts
    retry     --> delay.<tier> and attempts
    dead      --> dlq and attempts

Only when the broker has confirmed both does the caller complete the event's offset.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from connectors.answers import Answer
from streams import attempts, clock, headers, metrics
from streams.attempts import Attempt, Outcome
from streams.flight import Record
from streams.headers import Death, Source
from streams.letters import Letters
from streams.producer import Outgoing
from streams.retry import Dead, Decision, Delivered, Reason, Retry
from streams.topics import Names

log = logging.getLogger(__name__)
_NONE: frozenset[str] = frozenset()


class Verdict:
    """One event, how its attempt ended and what follows."""

    __slots__ = ("answer", "decision", "detail", "record", "started_ms")

    def __init__(
        self, record: Record, decision: Decision, answer: Answer | None, started_ms: int, detail: str = ""
    ) -> None:
        """Of every event.

        Args:
            answer: of the attempt; None when no request was made.
            detail: what a person reads first about a failure: why no request was made, or the head of the
                answer's body.
        """
        self.record, self.decision, self.answer = record, decision, answer
        self.started_ms, self.detail = started_ms, detail


@dataclass(frozen=True, slots=True)
class Stray:
    """A record on one of our topics that is none of ours: somebody put it there by hand."""

    record: Record
    why: str


class Settler:
    """Writes outcomes."""

    def __init__(self, letters: Letters, names: Names, worker: str) -> None:
        self._letters = letters
        self._names = names
        self._worker = worker

    def topics(self, ends: Sequence[Verdict | Stray]) -> frozenset[str]:
        """Where the outcomes of these are written, besides `attempts`."""
        if all(isinstance(end, Verdict) and isinstance(end.decision, Delivered) for end in ends):
            return _NONE  # mostly
        found = set()
        for end in ends:
            if isinstance(end, Verdict) and isinstance(end.decision, Retry):
                found.add(self._names.delay(end.decision.tier.name))
            elif not (isinstance(end, Verdict) and isinstance(end.decision, Delivered)):
                found.add(self._names.dlq)
        return frozenset(found)

    async def settle(self, ends: Sequence[Verdict | Stray]) -> None:
        """Return when the outcome of every event is durable."""
        verdicts: list[Verdict] = []
        outgoing: list[Outgoing] = []
        for end in ends:
            if isinstance(end, Stray):
                outgoing.append(self._stray(end))
                continue
            verdicts.append(end)
            if not isinstance(end.decision, Delivered):
                outgoing.append(self._next(end, end.decision))
        made = [self._attempt(verdict) for verdict in verdicts]
        outgoing += [Outgoing(self._names.attempts, value) for value in attempts.encode(made)]
        await self._letters.send(outgoing)
        _count(verdicts)

    def _stray(self, stray: Stray) -> Outgoing:
        record = stray.record
        log.warning("record.malformed topic=%s partition=%d offset=%d: %s",
                    record.topic, record.partition, record.offset, stray.why)  # fmt: skip
        death = Death(Reason.MALFORMED, None, stray.why, int(clock.now() * 1000))
        return self._letters.dead(record, death, Source(record.topic, record.partition, record.offset))

    def _next(self, verdict: Verdict, decision: Retry | Dead) -> Outgoing:
        record = verdict.record
        if isinstance(decision, Retry):
            own = headers.own(record.headers)
            topic = self._names.delay(decision.tier.name)
            return Outgoing(topic, record.value, record.key, headers.write(decision.tracking, own))
        death = Death(
            decision.reason, decision.error or None, verdict.detail or None, int(clock.now() * 1000)
        )
        return self._letters.dead(record, death, decision.tracking)

    def _attempt(self, verdict: Verdict) -> Attempt:
        decision, answer = verdict.decision, verdict.answer
        tracking = decision.tracking
        topic, partition, offset = tracking.source
        attempt = Attempt(
            event_id=tracking.event_id,
            destination=tracking.destination,
            source_topic=topic,
            source_partition=partition,
            source_offset=offset,
            replay=tracking.replay,
            attempt=tracking.attempt,
            outcome=_WORDS[decision.__class__],
            started_ms=verdict.started_ms,
            elapsed_ms=0,
            body_head=verdict.detail or None,
            worker=self._worker,
        )
        if answer is not None:
            attempt.code, attempt.ambiguous = answer.code, answer.ambiguous
            attempt.elapsed_ms = answer.elapsed_ms
        if isinstance(decision, Retry):
            attempt.tier, attempt.not_before_ms = decision.tier.name, decision.not_before_ms
        elif isinstance(decision, Dead):
            attempt.reason = decision.reason
        return attempt


_WORDS: dict[type[Decision], Outcome] = {
    Delivered: Outcome.DELIVERED, Retry: Outcome.RETRY, Dead: Outcome.DEAD
}  # fmt: skip


def _count(verdicts: Sequence[Verdict]) -> None:
    debugging, counts = log.isEnabledFor(logging.DEBUG), Counter[tuple[str, Outcome, str]]()
    for verdict in verdicts:
        answer, tracking = verdict.answer, verdict.decision.tracking
        kind = tracking.destination, _WORDS[verdict.decision.__class__], answer.code if answer else "none"
        counts[kind] += 1
        if answer is not None:
            metrics.SECONDS.observe(tracking.destination, answer.elapsed_ms / 1000)
            if answer.ambiguous:
                metrics.AMBIGUOUS.labels(tracking.destination).inc()
        if debugging:
            log.debug("delivery.attempted destination=%s outcome=%s code=%s event=%s attempt=%d",
                      *kind, tracking.event_id, tracking.attempt)  # fmt: skip
    for kind, count in counts.items():
        _attempts(*kind).inc(count)


#: The lookup of labels costs more than the counting: once for each of the few there are.
_attempts = lru_cache(maxsize=4096)(metrics.ATTEMPTS.labels)
