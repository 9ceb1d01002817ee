"""What every connector promises. A file in connectors/ that defines CONNECTOR is tested by being there."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

import connectors
from connectors.answers import Answer, Outcome
from connectors.base import Answers, Bound, Connector, Sends, SettingsError
from connectors.event import EVENT_TYPES

NOW = 1_787_306_400.9


def sends(connector: Connector) -> list[Sends]:
    return [vector for vector in connector.vectors if isinstance(vector, Sends)]


# ---- what it states


def test_the_connectors_of_the_folder_are_found() -> None:
    assert {"ga4", "mixpanel", "slack", "webhook"} <= set(connectors.available())


def test_its_name_is_its_file_name(file: str, connector: Connector) -> None:
    assert connector.name == file


def test_its_facts_have_a_source(connector: Connector) -> None:
    assert connector.docs.startswith("https://")


def test_it_takes_event_types_that_exist_and_has_a_vector_for_each(connector: Connector) -> None:
    assert set(connector.accepts) <= set(EVENT_TYPES)
    assert {vector.event["type"] for vector in sends(connector)} == set(connector.accepts)


def test_it_says_what_at_least_one_answer_means(connector: Connector) -> None:
    assert any(isinstance(vector, Answers) for vector in connector.vectors)


def test_every_setting_is_declared_once_and_its_example_is_allowed(connector: Connector) -> None:
    names = [setting.name for setting in connector.declared]
    assert len(set(names)) == len(names)
    assert "url" in names
    assert set(connector.auth.names) <= set(names)
    for setting in connector.declared:
        assert setting.problem(setting.example) is None
        assert setting.default is None or not setting.required


def test_its_limits_hold_together(connector: Connector) -> None:
    # An item that fits alone fits into a batch.
    if connector.batch is not None:
        assert connector.max_item_bytes + len(connector.batch.body(())) <= connector.batch.max_bytes


# ---- what it does


def test_every_vector_of_an_event_holds(connector: Connector, bound: Bound) -> None:
    for vector in sends(connector):
        assert orjson.loads(bound.item(vector.event)) == vector.item


def test_every_vector_of_an_answer_holds(connector: Connector, bound: Bound) -> None:
    for vector in connector.vectors:
        if isinstance(vector, Answers):
            body = vector.body if isinstance(vector.body, bytes) else orjson.dumps(vector.body)
            means = [vector.means] if isinstance(vector.means, Outcome) else list(vector.means)
            assert bound.outcomes(Answer(status=vector.status, body=body), len(means)) == means, vector


def test_only_the_required_settings_are_needed(connector: Connector) -> None:
    given = {setting.name: setting.example for setting in connector.declared if setting.required}
    bound = connector.bind(given)
    request = bound.request([bound.item(sends(connector)[0].event)], "evt-1:here", NOW)
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"


def test_its_requests_go_where_the_setting_url_says(connector: Connector) -> None:
    examples = {setting.name: setting.example for setting in connector.declared}
    bound = connector.bind({**examples, "url": "http://127.0.0.1:8080/in?a=b"})
    request = bound.request([bound.item(sends(connector)[0].event)], "evt-1:here", NOW)
    assert request.url.startswith("http://127.0.0.1:8080/in?a=b")
    assert urlsplit(request.url).query.count("?") == 0


def test_every_attempt_has_the_same_body(connector: Connector, bound: Bound) -> None:
    event = sends(connector)[0].event
    bodies = {bound.request([bound.item(event)], "evt-1:here", now).body for now in (1.0, NOW)}
    assert len(bodies) == 1


def test_n_items_are_n_items_in_order_in_the_request(connector: Connector, bound: Bound) -> None:
    items = [bound.item(vector.event) for vector in sends(connector)]
    if bound.batch is None:
        assert [bound.request([item], "k", 0.0).body for item in items] == items
    else:
        body = orjson.loads(bound.request(items, "k", 0.0).body)
        assert body == bound.batch.wrap([orjson.loads(item) for item in items])


def test_a_full_batch_stays_under_the_vendors_limits(connector: Connector) -> None:
    if (batch := connector.batch) is None:
        return  # one event a request
    # Given more of the biggest items, and more of the smallest, than one request may carry
    for item in (b'"' + b"x" * (connector.max_item_bytes - 2) + b'"', b"0"):
        items = [item] * (batch.max_events + 1)
        # When they are cut, by bytes or by count
        count = batch.take(items)
        # Then the request is as full as it may be
        assert 1 <= count <= batch.max_events
        assert len(batch.body(items[:count])) <= batch.max_bytes
        assert count == batch.max_events or len(batch.body(items[: count + 1])) > batch.max_bytes


# ---- secrets


def test_no_secret_is_ever_shown(connector: Connector, bound: Bound) -> None:
    request = bound.request([bound.item(sends(connector)[0].event)], "evt-1:here", NOW)
    shown = "".join(
        f"{thing!r} {thing}" for thing in (connector, bound, request, [request], {"bound": bound})
    )
    for secret in bound.secrets:
        assert secret not in shown


def test_every_secret_setting_is_masked(connector: Connector, bound: Bound) -> None:
    secrets = set(bound.secrets)
    for setting in connector.declared:
        if setting.secret:
            assert set(_leaves(setting.example)) <= secrets


def test_wrong_settings_are_all_reported_at_once_without_their_secrets(connector: Connector) -> None:
    # Given a wrong value for every setting (a line feed is allowed nowhere), and one that does not exist
    wrong = {setting.name: _spoiled(setting.example) for setting in connector.declared}
    # When it is bound
    with pytest.raises(SettingsError) as caught:
        connector.bind({**wrong, "no_such_setting": "x"})
    # Then each is named, with what is allowed, and no secret is told
    assert len(caught.value.problems) == len(wrong) + 1
    for setting in connector.declared:
        assert f"{setting.name}: " in str(caught.value)
        assert setting.allowed in str(caught.value)
        if setting.secret:
            assert not any(leaf in str(caught.value) for leaf in _leaves(setting.example))


def test_missing_settings_are_all_reported_at_once(connector: Connector) -> None:
    required = [setting for setting in connector.declared if setting.required]
    if required:
        with pytest.raises(SettingsError) as caught:
            connector.bind({})
        assert len(caught.value.problems) == len(required)


def _leaves(example: Any) -> Iterator[str]:
    if isinstance(example, str):
        yield example
    else:
        yield from example.values() if isinstance(example, dict) else example


def _spoiled(example: Any) -> Any:
    if isinstance(example, dict):
        return {name: f"{value}\n" for name, value in example.items()}
    return [f"{value}\n" for value in example] if isinstance(example, list) else f"{example}\n"
