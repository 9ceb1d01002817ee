"""Binding: what is wrong is said at once, with the setting's name and what is allowed, and no secrets."""

from typing import Any

import pytest

import connectors
from connectors.base import SettingsError
from connectors.settings import HTTP_URL

HOOK = {"url": "https://example.com/hook"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://127.0.0.1:8080/x?y=z",
        "https://[::1]:8443/",
        "HTTPS://EXAMPLE.COM/",
        "http://h/%0A",
    ],
)
def test_an_http_url_is_allowed(url: str) -> None:
    assert connectors.load("webhook").bind({"url": url})


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com", "file:///etc/passwd", "https://", "https:///x", "http://[::1",
        "http://h:99999/", "http://h:x/", "https://user:password@h/", "https://h/#top", "https://h/a b",
        "https://h/\r\nx: y", "https://h/\0", "https://h\\@evil/", "https://h/é", 3.5, True, None, {},
        ["https://h"],
    ],
)  # fmt: skip
def test_anything_else_is_not(url: Any) -> None:
    with pytest.raises(SettingsError, match=r"url: .*an http or https URL without user name") as caught:
        connectors.load("webhook").bind({"url": url})
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "1\r\nx-b: 2"}, {"x-a\r\nx-b": "2"}, {"x-a": "\0"}, {"x a": "1"}, {"": "1"}, {"x:a": "1"},
        {"x-a": "é"}, {"x-a": " padded "}, {"Content-Length": "0"}, {"host": "evil"}, {"Webhook-Id": "mine"},
        {"transfer-encoding": "chunked"}, {"x-a": None}, {"x-a": ["1"]}, {1.5: "1"}, ["x-a: 1"],
        "x-a: 1", None,
    ],
)  # fmt: skip
def test_no_header_can_smuggle_another_or_replace_ours(headers: Any) -> None:
    with pytest.raises(SettingsError, match=r"headers: .*names and ASCII values of HTTP headers"):
        connectors.load("webhook").bind({**HOOK, "headers": headers})


def test_headers_are_sent_lower_case_and_numbers_as_text() -> None:
    bound = connectors.load("webhook").bind({**HOOK, "headers": {"X-Tenant": 42, "User-Agent": "us"}})
    headers = bound.request([b"{}"], "k", 0.0).headers
    assert headers["x-tenant"] == "42"
    assert headers["user-agent"] == "us"


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_not base64!", "päss", "a", [], [SECRET, ""], None, {"a": "b"}]
)
def test_a_signing_secret_is_base64(secret: Any) -> None:
    with pytest.raises(SettingsError, match=r"secret: .*whsec_ and then base64"):
        connectors.load("webhook").bind({**HOOK, "secret": secret})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        connectors.load("ga4").bind(
            {"measurement_id": "UA-1", "api_sekret": "x", "url": "ftp://h?token=t0psecret"}
        )
    assert caught.value.problems == (
        "api_sekret: unknown; known are url, measurement_id, api_secret",
        f"url: 'ftp://h' is not allowed; allowed: {HTTP_URL}",
        "measurement_id: 'UA-1' is not allowed; allowed: G- and then letters and digits",
        "api_secret: missing; give a Measurement Protocol API secret of that stream",
    )
    assert str(caught.value).startswith("settings of connector ga4: ")


def test_short_values_are_not_masked_as_secrets() -> None:
    bound = connectors.load("webhook").bind({**HOOK, "headers": {"x-version": "1", "x-key": "0123456789"}})
    assert bound.secrets == ("0123456789",)


def test_a_secret_is_masked_in_every_form_it_travels_in() -> None:
    basic = connectors.load("mixpanel").bind({"username": "importer", "password": "pass word"})
    assert {"aW1wb3J0ZXI6cGFzcyB3b3Jk", "pass word", "pass%20word", "pass+word"} <= set(basic.secrets)
    hook = connectors.load("webhook").bind({**HOOK, "headers": {"authorization": "Bearer 5f2b7c1d9e"}})
    assert "5f2b7c1d9e" in hook.secrets
    slack = connectors.load("slack").bind({"url": "https://hooks.slack.com/services/T0/B0/XXXX"})
    assert "services/T0/B0/XXXX" in slack.secrets


def test_the_settings_of_a_connector_as_json_schema() -> None:
    schema = connectors.load("mixpanel").schema()
    assert schema["required"] == ["username"]
    assert not schema["additionalProperties"]
    assert schema["properties"]["url"]["default"] == "https://api.mixpanel.com/import"
