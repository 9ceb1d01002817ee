"""What the brokers do not take is said once, with what mends it, and once more when it is over."""

import logging

import pytest
from confluent_kafka import KafkaError

from streams.refusals import REMIND_S, SETTLE_S, Refusals

DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def refusals(time: Time) -> Refusals:
    return Refusals(time)


def test_it_is_one_line_a_minute_for_each_topic_with_what_to_do(
    refusals: Refusals, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        refusals.failed("dlq", DENIED)
        refusals.failed("delay.1m", DENIED)
    assert [record.getMessage() for record in caplog.records] == [
        f"produce.refused topic={topic} error=TOPIC_AUTHORIZATION_FAILED for_s=0: "
        "grant our user Write and Describe on this topic; nothing is lost meanwhile"
        for topic in ("dlq", "delay.1m")
    ]
    assert all(record.levelno == logging.ERROR for record in caplog.records)

    time.now = REMIND_S
    refusals.failed("dlq", DENIED)
    assert "topic=dlq error=TOPIC_AUTHORIZATION_FAILED for_s=60" in caplog.records[-1].getMessage()


def test_when_it_is_over_that_is_said_and_nothing_lasts(
    refusals: Refusals, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.failed("dlq", DENIED)
    refusals.failed("attempts", DENIED)
    time.now = 7.0

    refusals.taken(["dlq", "dlq", "other"], 6.0)

    assert caplog.records[-1].getMessage() == "produce.taken_again topic=dlq after_s=7"
    assert refusals.lasting() == {"attempts": "TOPIC_AUTHORIZATION_FAILED"}
    refusals.taken(["attempts"], 6.0)
    assert not refusals


def test_what_was_sent_before_the_first_refusal_says_nothing_when_it_is_taken_after_it(
    refusals: Refusals, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    time.now = 3.0
    refusals.failed("dlq", DENIED)
    time.now = 4.0
    refusals.failed("dlq", DENIED)

    refusals.taken(["dlq"], 2.9)
    assert refusals
    assert len(caplog.records) == 1

    refusals.taken(["dlq"], 3.1)
    assert not refusals
    assert len(caplog.records) == 2


def test_what_passes_by_itself_is_a_warning_and_no_reason_to_be_unready(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.failed("dlq", TIMED_OUT)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert refusals.lasting() == {}
    assert refusals


def test_another_error_of_the_same_topic_is_said_too(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.failed("dlq", TIMED_OUT)
    refusals.failed("dlq", DENIED)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("sent_at", [3.0, 5.0 + SETTLE_S])
def test_a_refusal_of_what_was_sent_before_the_topic_was_mended_or_shortly_after_says_nothing(
    refusals: Refusals, time: Time, caplog: pytest.LogCaptureFixture, sent_at: float
) -> None:
    refusals.failed("dlq", DENIED, 0.0)
    time.now = 5.0
    refusals.taken(["dlq"], 4.0)
    caplog.clear()

    time.now = 6.0 + SETTLE_S
    refusals.failed("dlq", DENIED, sent_at)  # its report comes last; or another producer does not know yet
    assert not refusals
    assert caplog.messages == []

    refusals.failed("dlq", DENIED, 5.1 + SETTLE_S)
    assert refusals
    assert len(caplog.messages) == 1
