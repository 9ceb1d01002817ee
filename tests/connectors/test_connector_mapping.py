"""The mapping language: four rules."""

import math
from typing import Any

import pytest

from connectors.mapping import Unmappable, first, reader, required, to_json

EVENT = {"event": "Paid", "properties": {"a": {"b": 1}, "zero": 0, "empty": "", "null": None}, "userId": None}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("$", EVENT),
        ("$.event", "Paid"),
        ("$.properties.a.b", 1),
        ("$.properties.zero", 0),  # there, though false
        ("$.properties.empty", ""),
        ("$.properties.a.b.c", None),  # through something that is no object
        ("$.event.length", None),
        ("$.nowhere", None),
        ("text", "text"),
        ("$5", "$5"),  # only "$" and "$." read
        (True, True),
        (["$.event", "$.nowhere", 3], ["Paid", 3]),
        ({"x": {"y": "$.event"}}, {"x": {"y": "Paid"}}),
        ({"x": "$.nowhere", "y": "$.userId", "z": None}, {}),  # missing, null, none
        (lambda event: len(event), 3),
        (first("$.nowhere", "$.userId", "$.event"), "Paid"),
        (first("$.nowhere", "nobody"), "nobody"),
        (first("$.nowhere"), None),
        (required("$.event"), "Paid"),
        (required(first("$.userId", "$.event")), "Paid"),
    ],
)
def test_a_template_gives(template: Any, value: Any) -> None:
    assert reader(template)(EVENT) == value


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (required("$.userId"), "$.userId is missing"),
        (required(first("$.userId", "$.anonymousId")), "$.userId or $.anonymousId is missing"),
        ({"a": [{"b": required("$.properties.null")}]}, "$.properties.null is missing"),
    ],
)
def test_what_is_required_and_missing_is_named(template: Any, reason: str) -> None:
    with pytest.raises(Unmappable) as caught:
        reader(template)(EVENT)
    assert str(caught.value) == reason


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, 2**64, -(2**63) - 1, {1: 2}, {1}, b"bytes"])
def test_what_json_cannot_carry_safely_is_unmappable(value: Any) -> None:
    with pytest.raises(Unmappable, match=r"^not JSON: "):
        to_json({"value": value})


def test_nesting_beyond_254_levels_is_unmappable() -> None:
    value: Any = 1
    for _ in range(300):
        value = [value]
    with pytest.raises(Unmappable):
        to_json(value)


def test_what_json_has_no_number_for_becomes_null() -> None:
    assert to_json([math.nan, math.inf, "a\0b"]) == b'[null,null,"a\\u0000b"]'
