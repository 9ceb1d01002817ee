"""The librdkafka client that reads, for `streams.inflow`: how it is set up, asked and closed."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.backlog import MOST
from streams.scan import dismiss, patiently

#: Bytes of one fetch from one partition: at most, at least, and for all partitions together.
FETCH_BYTES, LEAST_FETCH_BYTES, ALL_FETCH_BYTES = 256 * 1024, 16 * 1024, 64 * 1024 * 1024
#: How long a broker that has nothing for us may take to say so: 1 ms for so many partitions, within these.
#: Each request names them all, which takes 4 ms where there are a thousand; and a partition that was paused
#: is not in the request that is under way when it goes on.
PARTITIONS_PER_MS, LEAST_WAIT_MS, MOST_WAIT_MS = 4, 50, 250
#: How long a look-up of what is committed may take, and closing a reader.
TIMEOUT_S, CLOSE_S = 30.0, 5.0

SETTINGS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "check.crcs": True,
    "queued.min.messages": MOST,  # of a partition, in librdkafka: we keep what there is to be kept
    "fetch.queue.backoff.ms": 10,
    "fetch.error.backoff.ms": 100,
    "reconnect.backoff.max.ms": 1000,
    "max.poll.interval.ms": 86_400_000,
}


def fetch_bytes(partitions: int) -> int:
    """Of one fetch from one partition, where there may be so many."""
    return max(LEAST_FETCH_BYTES, min(FETCH_BYTES, ALL_FETCH_BYTES // max(1, partitions)))


def settings(config: Mapping[str, Any], group: str, partitions: int) -> dict[str, Any]:
    """With those of the connection; `partitions` is how many there may be."""
    own = {
        "group.id": group,
        "max.partition.fetch.bytes": fetch_bytes(partitions),
        "fetch.wait.max.ms": min(MOST_WAIT_MS, max(LEAST_WAIT_MS, partitions // PARTITIONS_PER_MS)),
        "logger": logging.getLogger("streams.librdkafka"),
    }
    return {**config, **SETTINGS, **own}


def committed_by(config: Mapping[str, Any], wanted: Sequence[TopicPartition]) -> dict[tuple[str, int], int]:
    """What the group has committed, where anything is.

    Asked by a client of its own, on another thread: nobody else may have to wait for the answer.

    Raises:
        KafkaException: the brokers do not say.
    """
    asking = Consumer(dict(config))

    def ask() -> dict[tuple[str, int], int]:
        answer = asking.committed(list(wanted), timeout=TIMEOUT_S)
        for tp in answer:
            if tp.error:
                raise KafkaException(tp.error)
        return {(tp.topic, tp.partition): tp.offset for tp in answer if tp.offset >= 0}

    try:
        return patiently(ask)
    finally:
        dismiss(asking)
