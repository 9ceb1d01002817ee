"""What Bound guarantees even for a connector whose functions fail."""

from typing import Any

import pytest

from connectors.base import Answer, Batch, Connector, MappingFault, Outcome, Request, Unmappable


def broken(*args: Any) -> Any:
    raise KeyError("jane@example.com")


def connector(**fields: Any) -> Connector:
    given: dict[str, Any] = {"accepts": {"track": "$"}, "url": "https://api.example/in", **fields}
    return Connector(name="sketch", docs="https://docs.example", vectors=(), **given)


def test_a_function_that_fails_makes_the_event_unmappable_and_says_whose_fault_it_is() -> None:
    bound = connector(accepts={"track": {"a": broken}}).bind({})
    with pytest.raises(MappingFault) as caught:
        bound.item({"type": "track"})
    assert str(caught.value) == "connector sketch failed on this event: KeyError"
    assert isinstance(caught.value, Unmappable)


@pytest.mark.parametrize(
    "reading", [{"interpret": broken}, {"per_item": broken}, {"per_item": lambda *_: []}]
)
def test_an_answer_that_a_connector_fails_on_delivers_nothing_and_is_retried(reading: dict[str, Any]) -> None:
    bound = connector(**reading).bind({})
    assert bound.outcomes(Answer(status=200), 2) == [Outcome.RETRY] * 2


@pytest.mark.parametrize(
    "reading",
    [
        {"per_item": lambda *_: ("delivered", Outcome.DELIVERED)},
        {"interpret": lambda *_: "delivered"},
    ],
)
def test_outcomes_may_come_in_any_sequence_and_by_their_names(reading: dict[str, Any]) -> None:
    # Compiled, a tuple where a list was meant was a failure: what had arrived was sent again until exhausted.
    bound = connector(**reading).bind({})
    assert bound.outcomes(Answer(status=200), 2) == [Outcome.DELIVERED] * 2


def test_an_event_type_that_is_not_accepted_is_unmappable() -> None:
    with pytest.raises(Unmappable, match="connector sketch takes no such type of event"):
        connector().bind({}).item({"type": "alias"})


def test_an_event_that_is_too_big_is_unmappable_and_its_size_is_told() -> None:
    bound = connector(max_item_bytes=20).bind({})
    assert bound.item({"type": "track"}) == b'{"type":"track"}'
    with pytest.raises(Unmappable, match="25 bytes; at most 20"):
        bound.item({"type": "track", "n": 1234})


def test_no_items_have_no_outcomes() -> None:
    assert connector().bind({}).outcomes(Answer(status=200), 0) == []


def test_a_batch_is_cut_to_the_byte() -> None:
    batch = Batch(max_events=10, max_bytes=len(b'{"in":["a","b","c"]}'), wrap=lambda items: {"in": items})
    assert batch.take([b'"a"', b'"b"', b'"c"', b'"d"']) == 3
    assert batch.body([b'"a"', b'"b"', b'"c"']) == b'{"in":["a","b","c"]}'
    assert batch.take([b'"a"', b'"bb"', b'"c"']) == 2
    assert batch.take([b'"' + b"x" * 100 + b'"', b'"b"']) == 1
    assert batch.take([]) == 0


def test_a_request_shows_no_more_of_its_url_than_the_host() -> None:
    request = Request(
        "POST", "https://user:password@hooks.example:8443/T0/token?key=secret", {"a": "secret"}, b"12"
    )
    assert repr(request) == str(request) == "Request(POST https://hooks.example/..., 2 bytes)"
