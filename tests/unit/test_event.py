"""What makes a dict an event."""

from typing import Any

import pytest

from streams.decoding.event import normalise
from streams.decoding.undecodable import Reason, Undecodable


def refused(**fields: Any) -> str:
    with pytest.raises(Undecodable) as caught:
        normalise({"type": "track"} | fields)
    assert caught.value.reason is Reason.INVALID_EVENT
    return caught.value.detail


def test_a_good_event_is_left_as_it_is() -> None:
    event = {
        "type": "track",
        "messageId": "m",
        "userId": "u",
        "event": "Order Completed",
        "timestamp": "2026-11-21T22:44:47.123+01:00",
        "properties": {"total": None, "deep": [{"a": 1}]},
        "context": {},
    }
    assert normalise(dict(event)) == event


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
def test_types_are_known_in_any_case(kind: str) -> None:
    assert normalise({"type": kind.upper()}) == {"type": kind}


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (None, "type is missing"),
        ("delete", "type is none of track, identify, page, screen, group, alias"),
        ("", "type is none of track, identify, page, screen, group, alias"),
        (["track"], "type is an array, not a string"),
        ({"track": 1}, "type is an object, not a string"),
        (True, "type is a boolean, not a string"),
        (7, "type is a number, not a string"),
    ],
)
def test_another_type_is_no_event(kind: object, detail: str) -> None:
    assert refused(type=kind) == detail


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("u", "u"),
        ("", ""),
        (42, "42"),
        (-1, "-1"),
        (2**64 - 1, "18446744073709551615"),
        # JSON has no integers: 42.0 is the same number as 42.
        (42.0, "42"),
        (1.5, "1.5"),
    ],
)
@pytest.mark.parametrize("name", ["userId", "anonymousId", "groupId", "previousId"])
def test_numeric_ids_become_text(name: str, given: object, expected: str) -> None:
    assert normalise({"type": "track", name: given})[name] == expected


@pytest.mark.parametrize("given", [2.0**53, 1.2345678901234568e22, -1e300, float("inf"), float("nan")])
def test_a_number_that_may_have_lost_digits_is_nobodys_id(given: float) -> None:
    assert refused(userId=given) == "userId is a number too large to keep its digits; write it as a string"


@pytest.mark.parametrize("given", [True, [], {}])
def test_ids_are_text_or_numbers(given: object) -> None:
    assert "userId is a" in refused(userId=given)


@pytest.mark.parametrize("name", ["messageId", "event", "name", "timestamp", "sentAt"])
@pytest.mark.parametrize("given", [7, 7.5, True, [], {}])
def test_texts_are_texts(name: str, given: object) -> None:
    assert refused(**{name: given}).endswith(", not a string")


@pytest.mark.parametrize("name", ["properties", "traits", "context", "integrations"])
@pytest.mark.parametrize("given", [7, True, [], "{}"])
def test_objects_are_objects(name: str, given: object) -> None:
    assert refused(**{name: given}).endswith(", not an object")


def test_the_length_of_a_message_id_is_bounded() -> None:
    assert normalise({"type": "track", "messageId": "m" * 512})["messageId"] == "m" * 512
    assert refused(messageId="m" * 513) == "messageId has 513 characters, not 1 to 512"
    assert refused(messageId="") == "messageId has 0 characters, not 1 to 512"


def test_fields_that_are_null_are_left_out_and_unknown_ones_are_kept() -> None:
    event = {"type": "track", "messageId": None, "traits": None, "x": None, "channel": "web", "y": [1]}
    assert normalise(event) == {"type": "track", "channel": "web", "y": [1]}


def test_what_is_wrong_is_said_without_the_events_values() -> None:
    for fields in (
        {"type": "secret"},
        {"userId": ["secret"]},
        {"event": {"secret": "secret"}},
        {"name": ["secret"]},
    ):
        assert "secret" not in refused(**fields)
