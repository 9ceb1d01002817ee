"""Whatever a producer sends and whatever a destination answers: a connector bears it."""

import math
from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.answers import REJECTED_ERRORS, RETRIED_ERRORS, Answer, Outcome, outcome_of_status
from connectors.base import Bound, Connector, MappingFault, Unmappable


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"in": [value]}
    return value


#: Any string at all: NUL and lone surrogates too.
TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
#: Made only when drawn: they are too big to be shown.
MONSTERS: dict[str, Callable[[], Any]] = {
    "digits": lambda: 10**5000,
    "length": lambda: "x" * 2_000_000,
    "depth": lambda: nested(600),
}
HOSTILE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**63, 2**64, -(2**64), math.nan, math.inf]),
        st.floats(),
        TEXT,
        st.sampled_from(sorted(MONSTERS)).map(lambda name: MONSTERS[name]()),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SECTION = st.none() | st.dictionaries(
    st.sampled_from(["GA4", "ip", "items", "url", "session_id", "country", "\0", "\ud800"]) | TEXT,
    HOSTILE,
    max_size=4,
)
PLAIN = st.sampled_from(["Order Paid", "u1", "12.34"])
#: What the codec lets through: the type and the id are right, the sections are objects, all else is anything.
FIELDS = {
    **dict.fromkeys(("event", "name", "userId", "anonymousId", "groupId", "previousId"), PLAIN | HOSTILE),
    **dict.fromkeys(("timestamp", "sentAt"), st.datetimes().map(lambda time: time.isoformat()) | HOSTILE),
    **dict.fromkeys(("properties", "traits", "context", "integrations"), SECTION),
}


@st.composite
def events(draw: st.DrawFn, kinds: list[str]) -> dict[str, Any]:
    fields = draw(st.fixed_dictionaries({}, optional=FIELDS))
    return {**fields, "type": draw(st.sampled_from(kinds)), "messageId": draw(TEXT)}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_hostile_event_becomes_a_request_or_is_unmappable(
    connector: Connector, bound: Bound, data: st.DataObject
) -> None:
    event = data.draw(events(sorted(connector.accepts)))
    try:
        item = bound.item(event)
    except Unmappable as unmappable:
        # A MappingFault would be dead-lettered too; but a connector knows what it can be given.
        if isinstance(unmappable, MappingFault) or len(str(unmappable)) > 200:
            raise
        return
    assert len(item) <= connector.max_item_bytes
    orjson.loads(item)
    request = bound.request([item], key=event["messageId"], now=0.0)
    assert all(text.isascii() and text.isprintable() for pair in request.headers.items() for text in pair)


BODIES = [
    b"", b"ok", b"null", b"true", b"0", b"[]", b"{}", b'""', b"[[[[", b'{"', b"\xff\xfe\x00", b"\x00" * 4096,
    b"[" * 4096, b'{"code": 200}', b'{"failed_records": 1}', b'{"failed_records": [null, 1, "x", {}]}',
    b'{"failed_records": {"index": 0}, "num_records_imported": "3"}', b'{"num_records_imported": true}',
    b'{"failed_records": [{"index": -1}, {"index": 1.0}, {"index": true}, {"index": 99}, {"index": null}]}',
    b'{"num_records_imported": 3}', b'{"num_records_imported": 99999999999999999999}',
]  # fmt: skip
PARSED: list[Any] = [None, True, 1, 1.5, "", "ok", "{", [], {}, {"failed_records": [[]]}, [None], nested(100)]


def test_every_answer_means_something_for_every_item(bound: Bound) -> None:
    for status in range(100, 600):
        for body in BODIES:
            for count in (1, 3):
                outcomes = bound.outcomes(Answer(status=status, body=body), count)
                assert len(outcomes) == count
                assert all(isinstance(outcome, Outcome) for outcome in outcomes)


def test_its_own_reading_of_an_answer_never_fails(connector: Connector) -> None:
    # Bound.outcomes would make "retry" of it; but whoever reads answers must bear any.
    for status in (100, 200, 204, 302, 400, 401, 413, 429, 500, 599):
        for body in PARSED:
            if connector.interpret:
                assert isinstance(connector.interpret(status, body), Outcome)
            if connector.per_item:
                assert len(connector.per_item(status, body, 2)) == 2


def test_without_a_status_the_error_decides_for_all_items(bound: Bound) -> None:
    for error in (*RETRIED_ERRORS, *REJECTED_ERRORS, "ENOIDEA"):
        expected = Outcome.REJECTED if error in REJECTED_ERRORS else Outcome.RETRY
        assert bound.outcomes(Answer(error=error, body=b'{"num_records_imported": 2}'), 2) == [expected] * 2


def test_nothing_is_delivered_by_a_status_that_means_failure(bound: Bound) -> None:
    for status in range(100, 600):
        if outcome_of_status(status) is not Outcome.DELIVERED:
            for body in (b"ok", b"{}", b'{"code": 200}'):
                assert Outcome.DELIVERED not in bound.outcomes(Answer(status=status, body=body), 3)
