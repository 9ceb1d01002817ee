"""Slack: what the message looks like, and that an event cannot make it say more than it should."""

from typing import Any

import orjson
import pytest

import connectors
from connectors.base import Unmappable


def text(**fields: Any) -> str:
    bound = connectors.load("slack").bind({"url": "https://hooks.slack.com/services/T0/B0/XXXX"})
    item: dict[str, str] = orjson.loads(
        bound.item({"type": "track", "messageId": "m1", "event": "Paid", **fields})
    )
    return item["text"]


def test_an_event_cannot_mention_link_or_fake_another_line() -> None:
    message = text(event="<!channel>\nAll is well", properties={"<https://evil|a>": "x\n*Paid* by admin"})
    assert "<" not in message
    assert ">" not in message
    assert message.count("\n") == 1


def test_values_that_are_no_text_are_shown_as_json() -> None:
    assert text(properties={"n": 9.5, "yes": True, "cart": {"a": [1]}}).splitlines()[1:] == [
        "n: 9.5", "yes: true", 'cart: {"a":[1]}',
    ]  # fmt: skip


def test_a_long_message_is_cut_and_so_is_a_long_value() -> None:
    assert len(text(properties={"note": "x" * 10_000}).splitlines()[1]) == len("note: ") + 200
    assert len(text(properties={f"k{n}": "x" * 100 for n in range(100)})) == 4000
    # Escaping comes after cutting: no entity is cut in two, and Slack's own limit is far away.
    assert text(properties={f"k{n}": "&" * 150 for n in range(100)}).rstrip("…").endswith("&amp;")


@pytest.mark.parametrize("event", [None, "", 7, ["x"]])
def test_a_track_event_without_a_name_is_unmappable(event: Any) -> None:
    with pytest.raises(Unmappable, match=r"\$\.event is not a name"):
        text(event=event)
