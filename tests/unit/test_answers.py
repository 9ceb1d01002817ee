from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import (
    LONGEST_RETRY_AFTER_S,
    REJECTED_ERRORS,
    RETRIED_ERRORS,
    Answer,
    Outcome,
    outcome_of,
    outcome_of_error,
    outcome_of_status,
    retry_after_s,
)

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (range(200, 300), Outcome.DELIVERED),
        # Later: timed out over there, too early, too many; and their own troubles.
        ([408, 425, 429, 500, 502, 503, 504, 507, 520, 529, 599], Outcome.RETRY),
        ([401, 403], Outcome.CREDENTIALS),
        ([400, 402, 404, 405, 407, 409, 410, 413, 418, 422, 451], Outcome.REJECTED),
        # Not implemented stays so.
        ([501], Outcome.REJECTED),
        # Redirects are never followed; nothing informational can be the end.
        ([100, 101, 103, 199, *range(300, 400)], Outcome.REJECTED),
        # No HTTP status at all.
        ([-1, 0, 99, 600, 999, 1000], Outcome.REJECTED),
    ],
)
def test_a_status_has_the_outcome_of_the_table(statuses: list[int], outcome: Outcome) -> None:
    assert {outcome_of_status(status) for status in statuses} == {outcome}


def test_a_fault_of_the_network_is_retried_and_a_fault_of_the_destination_is_not() -> None:
    assert {outcome_of_error(error) for error in RETRIED_ERRORS} == {Outcome.RETRY}
    assert {outcome_of_error(error) for error in REJECTED_ERRORS} == {Outcome.REJECTED}
    assert RETRIED_ERRORS.isdisjoint(REJECTED_ERRORS)


def test_a_fault_without_a_name_is_retried() -> None:
    assert outcome_of_error("ENOBUFS") is Outcome.RETRY
    assert outcome_of(Answer()) is Outcome.RETRY
    assert Answer().code == "UNKNOWN"


@pytest.mark.parametrize(
    ("answer", "ambiguous"),
    [
        (Answer(error="ECONNRESET", sent=True), True),
        (Answer(error="ESOCKETTIMEDOUT", sent=True), True),
        # Nothing was sent: the next attempt is the first one they see.
        (Answer(error="ECONNRESET"), False),
        (Answer(error="ECONNREFUSED"), False),
        # Sent, but there will be no next attempt.
        (Answer(error="HPE_INVALID_STATUS", sent=True), False),
        # Answered: they said that they did not take it.
        (Answer(status=503, sent=True), False),
        (Answer(status=200, sent=True), False),
    ],
)
def test_only_an_unanswered_request_that_is_sent_again_is_ambiguous(answer: Answer, ambiguous: bool) -> None:
    assert answer.ambiguous is ambiguous


def test_the_code_of_an_answer_is_its_status_or_its_error() -> None:
    assert Answer(status=503).code == "503"
    assert Answer(error="ECONNREFUSED").code == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        # Not in RFC 9110, but some APIs send it.
        ("1.5", 1.5),
        # The three forms of a date (RFC 9110 5.6.7).
        ("Wed, 01 Jul 2026 12:01:00 GMT", 60.0),
        ("Wednesday, 01-Jul-26 12:01:00 GMT", 60.0),
        ("Wed Jul  1 12:01:00 2026", 60.0),
        # Past: now.
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        # Nobody waits longer than a day.
        ("86401", LONGEST_RETRY_AFTER_S),
        ("9" * 1000, LONGEST_RETRY_AFTER_S),
        ("Wed, 01 Jul 2099 12:00:00 GMT", LONGEST_RETRY_AFTER_S),
        # Nonsense.
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e3", None),
        ("nan", None),
        ("٣", None),
        ("Wed, 99 Jul 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}, NOW) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after_s({}, NOW) is None


@given(st.text(max_size=1024))
def test_no_retry_after_is_too_odd_to_be_read(value: str) -> None:
    seconds = retry_after_s({"retry-after": value}, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_S


@given(st.text("0123456789:,+- GMTadeinortuvwyWFJASOND", max_size=60))
def test_nothing_like_a_date_is_too_odd_to_be_read(value: str) -> None:
    seconds = retry_after_s({"retry-after": value}, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_S


@given(st.integers(0, 253_370_764_800))
def test_any_date_up_to_the_year_9999_is_read(seconds: int) -> None:
    date = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert retry_after_s({"retry-after": date}, NOW) == min(max(seconds - NOW, 0.0), LONGEST_RETRY_AFTER_S)
