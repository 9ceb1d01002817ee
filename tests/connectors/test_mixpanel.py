"""Mixpanel: the id it deduplicates by, whose event it is, and answers that half succeed."""

from base64 import b64decode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors
from connectors.answers import Answer, Outcome
from connectors.base import Unmappable
from connectors.mixpanel import BANNED_IDS, insert_id, per_item

DELIVERED, REJECTED, RETRY = Outcome.DELIVERED, Outcome.REJECTED, Outcome.RETRY
TRACK = {"type": "track", "messageId": "m1", "event": "Paid", "timestamp": "2026-08-21T10:00:00Z"}


def properties(**fields: Any) -> dict[str, Any]:
    bound = connectors.load("mixpanel").bind({"username": "token"})
    item: dict[str, dict[str, Any]] = orjson.loads(bound.item({**TRACK, **fields}))
    return item["properties"]


@given(st.text(st.characters(exclude_categories=())))
def test_any_event_id_gives_an_insert_id_that_mixpanel_takes_and_keeps(message_id: str) -> None:
    given_id = insert_id({"messageId": message_id})
    assert given_id == insert_id({"messageId": message_id})
    assert 1 <= len(given_id) <= 36
    assert given_id.isascii()
    assert given_id.replace("-", "a").isalnum()
    assert given_id not in BANNED_IDS


@pytest.mark.parametrize("banned", sorted(BANNED_IDS))
def test_a_banned_id_is_replaced(banned: str) -> None:
    assert insert_id({"messageId": banned}) != banned


def test_the_user_counts_before_the_device_and_nobody_is_empty() -> None:
    assert properties(userId="u1", anonymousId="d1")["distinct_id"] == "u1"
    assert properties(anonymousId="d1")["distinct_id"] == "d1"
    assert properties(userId=42)["distinct_id"] == "42"
    assert properties()["distinct_id"] == ""


def test_an_event_cannot_overwrite_what_mixpanel_deduplicates_by() -> None:
    sent = properties(properties={"time": 1, "distinct_id": "x", "$insert_id": "y"})
    assert (sent["time"], sent["distinct_id"], sent["$insert_id"]) == (1787306400000, "", "m1")


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [
        ("2026-08-21T10:00:00Z", 1787306400000),
        ("2026-08-21T12:00:00.250+02:00", 1787306400250),
        ("2026-08-21T10:00:00.250999Z", 1787306400250),
        ("2026-08-21T10:00:00.123456789Z", 1787306400123),
        ("2026-08-21T10:00:00", 1787306400000),  # no zone: UTC
        ("2026-08-21", 1787270400000),
        ("0001-01-01T00:00:00+23:59", -62135683140000),
    ],
)
def test_time_is_in_milliseconds(timestamp: str, milliseconds: int) -> None:
    assert properties(timestamp=timestamp)["time"] == milliseconds


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 1787306400, {}, "2026-13-01", "\ud800"])
def test_an_event_without_a_time_is_unmappable(timestamp: Any) -> None:
    with pytest.raises(Unmappable, match=r"\$\.timestamp"):
        properties(timestamp=timestamp)


def test_a_service_account_or_a_project_token_authenticates() -> None:
    connector = connectors.load("mixpanel")
    account = connector.bind({"username": "sa", "password": "secret", "project_id": 7}).request(
        [b"{}"], "k", 0.0
    )
    token = connector.bind({"username": "token"}).request([b"{}"], "k", 0.0)
    assert account.url == "https://api.mixpanel.com/import?strict=1&project_id=7"
    assert token.url == "https://api.mixpanel.com/import?strict=1"
    assert b64decode(account.headers["authorization"].removeprefix("Basic ")) == b"sa:secret"
    assert b64decode(token.headers["authorization"].removeprefix("Basic ")) == b"token:"


@pytest.mark.parametrize(
    ("status", "body", "outcomes"),
    [
        (200, {"num_records_imported": 3}, [DELIVERED] * 3),
        # Anything but "3 imported" does not say that these three were.
        (200, {}, [RETRY] * 3),
        (200, {"num_records_imported": 4}, [RETRY] * 3),
        (200, {"num_records_imported": "3"}, [RETRY] * 3),
        (200, {"num_records_imported": 3.0}, [RETRY] * 3),
        (200, [], [RETRY] * 3),
        (200, "ok", [RETRY] * 3),
        # A half success
        (
            400,
            {"num_records_imported": 2, "failed_records": [{"index": 1}]},
            [DELIVERED, REJECTED, DELIVERED],
        ),
        (
            400,
            {"num_records_imported": 0, "failed_records": [{"index": i} for i in range(3)]},
            [REJECTED] * 3,
        ),
        # One record can fail for two reasons
        (
            400,
            {"num_records_imported": 2, "failed_records": [{"index": 0}] * 2},
            [REJECTED, DELIVERED, DELIVERED],
        ),
        # Numbers that don't add up: the named one failed, the others are sent again
        (400, {"num_records_imported": 1, "failed_records": [{"index": 1}]}, [RETRY, REJECTED, RETRY]),
        (400, {"failed_records": [{"index": 1}, {"index": 7}]}, [RETRY, REJECTED, RETRY]),
        (400, {"num_records_imported": 2, "failed_records": [{"index": "1"}]}, [RETRY] * 3),
        # Not about single records
        (400, {"error": "invalid JSON"}, [REJECTED] * 3),
        (400, "Bad Request", [REJECTED] * 3),
        (400, '{"failed_records": [{"index": 1}, {"ind', [RETRY] * 3),
        (302, {"num_records_imported": 3}, [REJECTED] * 3),
        (500, {"num_records_imported": 3}, [RETRY] * 3),
    ],
)
def test_only_what_mixpanel_says_it_imported_is_delivered(
    status: int, body: Any, outcomes: list[Outcome]
) -> None:
    assert per_item(status, body, 3) == outcomes


@given(
    st.sampled_from([200, 400]),
    st.integers(0, 20),
    st.lists(st.integers(-2, 22)),
    st.integers(0, 20),
)
def test_never_more_is_delivered_than_was_imported(
    status: int, count: int, failed: list[int], imported: int
) -> None:
    body = {"num_records_imported": imported, "failed_records": [{"index": index} for index in failed]}
    outcomes = per_item(status, body, count)
    assert outcomes.count(DELIVERED) in (0, imported)
    assert all(outcomes[index] is REJECTED for index in failed if 0 <= index < count)


def test_a_full_batch_of_failures_can_be_read() -> None:
    # Given an answer to 2,000 events that names every one of them, as in Mixpanel's example
    record = {"$insert_id": "8a66058c-a56d-4ef6-8123-28b7c9f7e82f", "field": "properties.utm_source"}
    record["message"] = "properties.utm_source is invalid: string should be valid utf8"
    failed = [{"index": index, **record} for index in range(2000)]
    body = orjson.dumps({"code": 400, "num_records_imported": 0, "failed_records": failed})
    # When as much of it is read as the connector asks for
    connector = connectors.load("mixpanel")
    head = body[: connector.answer_bytes]
    # Then nothing was cut off
    bound = connector.bind({"username": "token"})
    assert bound.outcomes(Answer(status=400, body=head), 2000) == [REJECTED] * 2000
