"""Who gets which event, and why the others don't."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.event import EVENT_TYPES
from streams import settings
from streams.destinations import Audience, Rule, configured

FILE = """
inbound: {topic: events}
destinations:
  - name: crm-hook
    connector: webhook
    settings: {url: "https://crm.example.com/hook"}
    when: {types: [track, identify]}
  - name: archive
    connector: webhook
    settings: {url: "https://archive.example.com/hook"}
    network: {allow_private: true}
    limits: {in_flight: 7}
  - name: analytics
    connector: mixpanel
    settings: {username: project-token}
kafka: {prefix: test.}
"""
SETTINGS = settings.parse(FILE, env={})
AUDIENCE = Audience(configured(SETTINGS))
INTEGRATIONS, TYPES, UNSUPPORTED = Rule.INTEGRATIONS, Rule.TYPES, Rule.UNSUPPORTED_TYPE


def decided(kind: str, integrations: Any = None) -> list[Rule | None]:
    """What becomes of an event, for crm-hook, archive and analytics."""
    return list(AUDIENCE.decide(kind, integrations))


# The configured destinations


def test_a_destination_is_ready_for_use() -> None:
    crm, archive, analytics = AUDIENCE.destinations

    assert [one.name for one in (crm, archive, analytics)] == ["crm-hook", "archive", "analytics"]
    assert crm.topic == "test.deliver.crm-hook"
    assert crm.types == {"track", "identify"}
    assert analytics.bound.connector.name == "mixpanel"
    assert (archive.limits.in_flight, archive.network.allow_private) == (7, True)


# The rules


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("track", [None, None, None]),
        ("identify", [None, None, UNSUPPORTED]),  # mixpanel's /import takes no profiles
        ("page", [TYPES, None, None]),
        ("group", [TYPES, None, UNSUPPORTED]),
    ],
)
def test_types_and_connectors_keep_events_back(kind: str, expected: list[Rule | None]) -> None:
    assert decided(kind) == expected


@pytest.mark.parametrize(
    ("integrations", "expected"),
    [
        ({}, [None, None, None]),
        ({"All": True}, [None, None, None]),
        ({"All": False}, [INTEGRATIONS, INTEGRATIONS, INTEGRATIONS]),
        ({"crm-hook": False}, [INTEGRATIONS, None, None]),
        ({"All": False, "crm-hook": True}, [None, INTEGRATIONS, INTEGRATIONS]),
        ({"All": True, "crm-hook": False}, [INTEGRATIONS, None, None]),
        # a connector's name stands for all that have it
        ({"webhook": False}, [INTEGRATIONS, INTEGRATIONS, None]),
        ({"All": False, "webhook": True}, [None, None, INTEGRATIONS]),
        # the destination's own name counts more
        ({"webhook": False, "archive": True}, [INTEGRATIONS, None, None]),
        ({"All": False, "webhook": True, "archive": False}, [None, INTEGRATIONS, INTEGRATIONS]),
        # options, even none, mean on
        ({"All": False, "analytics": {"region": "eu"}}, [INTEGRATIONS, INTEGRATIONS, None]),
        ({"All": False, "analytics": {}}, [INTEGRATIONS, INTEGRATIONS, None]),
        # null says nothing
        ({"crm-hook": None}, [None, None, None]),
        ({"All": None}, [None, None, None]),
        ({"All": False, "crm-hook": None}, [INTEGRATIONS, INTEGRATIONS, INTEGRATIONS]),
        ({"webhook": False, "archive": None}, [INTEGRATIONS, INTEGRATIONS, None]),
        # what is false in most languages is off
        ({"crm-hook": 0, "archive": ""}, [INTEGRATIONS, INTEGRATIONS, None]),
        # names are exact, and others are nobody's business
        ({"Crm-Hook": False, "all": False, "Salesforce": False}, [None, None, None]),
    ],
)
def test_an_event_may_say_where_it_goes(integrations: dict[str, Any], expected: list[Rule | None]) -> None:
    assert decided("track", integrations) == expected


def test_an_event_cannot_go_where_its_type_does_not() -> None:
    integrations = {"All": False, "crm-hook": True, "analytics": True}

    assert decided("page", integrations) == [TYPES, INTEGRATIONS, None]
    assert decided("group", integrations) == [TYPES, INTEGRATIONS, UNSUPPORTED]


def test_the_first_rule_that_applies_is_the_one_that_counts() -> None:
    assert decided("group", {"All": False}) == [INTEGRATIONS] * 3
    assert decided("group", {"crm-hook": False}) == [INTEGRATIONS, None, UNSUPPORTED]


def test_types_count_before_what_the_connector_takes() -> None:
    text = FILE.replace(
        "{username: project-token}\n", "{username: project-token}\n    when: {types: [track]}\n"
    )
    audience = Audience(configured(settings.parse(text, env={})))

    assert audience.decide("group")[2] is TYPES


def test_deciding_leaves_nothing_behind() -> None:
    before = decided("track")
    decided("track", {"All": False})

    assert decided("track") == before


def test_the_rules_have_the_names_that_are_counted() -> None:
    assert [str(rule) for rule in Rule] == ["integrations", "types", "unsupported-type"]


NAMES = ["All", "crm-hook", "archive", "analytics", "webhook", "mixpanel", "other", ""]
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.dictionaries(st.text(), st.none()))


@given(st.sampled_from(EVENT_TYPES), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_integrations_only_ever_keep_back_more(kind: str, integrations: dict[str, Any]) -> None:
    for without, given_ in zip(decided(kind), decided(kind, integrations), strict=True):
        assert given_ in (without, INTEGRATIONS)


@given(st.sampled_from(EVENT_TYPES), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_each_destination_is_decided_as_the_common_spec_says(kind: str, integrations: dict[str, Any]) -> None:
    def is_on(value: Any) -> bool:
        return isinstance(value, dict) or bool(value)

    for one, found, without in zip(
        AUDIENCE.destinations, decided(kind, integrations), decided(kind), strict=True
    ):
        said = [integrations.get(key) for key in (one.name, one.bound.connector.name, "All")]
        first = next((value for value in said if value is not None), True)
        assert found == (without if is_on(first) else INTEGRATIONS)
