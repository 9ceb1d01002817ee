"""Topics that the brokers take nothing for: said once, with what mends it, and once when it is over.

A record that is refused for its own sake (too large) is not meant: that one goes to the dlq. Here the
record is right and the circumstances are not, so it is written again until they are; its offset stays
where it is meanwhile, and nothing is lost.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

log = logging.getLogger(__name__)

#: What a person can do about it, and nobody else will.
MENDED_BY: Mapping[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "grant our user Write and Describe on this topic",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "grant our user IdempotentWrite on the cluster",
    KafkaError._UNKNOWN_TOPIC: "create it (`distributary topics create`), or grant our user Describe on it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create it (`distributary topics create`)",
    KafkaError.KAFKA_STORAGE_ERROR: "a broker cannot write to its disk",
    KafkaError.NOT_ENOUGH_REPLICAS: "more brokers with a copy of it must be up (min.insync.replicas)",
    KafkaError.POLICY_VIOLATION: "the cluster's own rules forbid it: ask who made them",
}
PASSING = "it is written again until it is taken"
#: How often it is said again while it lasts.
REMIND_S = 60.0
#: When a topic is taken again, it is not so at once for each of our producers, who learn of it by themselves:
#: some were refused it for 0.6 s more, and it was said by turns that it is taken and that it is not.
SETTLE_S = 5.0


@dataclass(slots=True)
class Refusal:
    """Since when a topic takes nothing, and why."""

    error: KafkaError
    since: float  #: monotonic
    said_at: float = field(default=float("-inf"))


class Refusals:
    """What is refused now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused: dict[str, Refusal] = {}
        self._taken_at: dict[str, float] = {}  #: when a topic that had been refused was taken again

    def __bool__(self) -> bool:
        return bool(self._refused)

    def failed(self, topic: str, error: KafkaError, sent_at: float = float("inf")) -> None:
        """A record for this topic, sent at that moment, was not taken.

        It says nothing if the topic was taken again since, or shortly before: many writes are under way when
        it is mended. What lasts is tried again, and said then.
        """
        if sent_at <= self._taken_at.get(topic, float("-inf")) + SETTLE_S:
            return
        now = self._clock()
        known = self._refused.get(topic)
        if known is None or known.error.code() != error.code():
            known = self._refused[topic] = Refusal(error, known.since if known else now)
        if now - known.said_at >= REMIND_S:
            known.said_at = now
            mend = MENDED_BY.get(error.code())
            log.log(
                logging.ERROR if mend else logging.WARNING,
                "produce.refused topic=%s error=%s for_s=%d: %s; nothing is lost meanwhile",
                topic, error.name(), now - known.since, mend or PASSING,
            )  # fmt: skip

    def now(self) -> float:
        """For `taken`."""
        return self._clock()

    def taken(self, topics: Iterable[str], sent_at: float) -> None:
        """Records for these topics, sent at that moment, were taken.

        It says nothing if it was before the first refusal: many writes are under way when one is refused.
        """
        for topic in set(topics) & self._refused.keys():
            refusal = self._refused[topic]
            if sent_at >= refusal.since:
                del self._refused[topic]
                self._taken_at[topic] = self._clock()
                log.warning("produce.taken_again topic=%s after_s=%d", topic, self._clock() - refusal.since)

    def lasting(self) -> dict[str, str]:
        """Topic -> error of what is refused until somebody mends it."""
        return {
            topic: one.error.name() for topic, one in self._refused.items() if one.error.code() in MENDED_BY
        }
