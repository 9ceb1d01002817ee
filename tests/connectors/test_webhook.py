"""The webhook's signature, judged by the official library of Standard Webhooks."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

import connectors
from connectors.auth import webhook_id
from connectors.base import Bound

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
EVENT = {"type": "track", "messageId": "evt-1", "event": "Größe 尺寸", "properties": {"total": 9.5}}


def webhook(**settings: Any) -> Bound:
    return connectors.load("webhook").bind({"url": "https://example.com/hook", **settings})


def test_a_signed_request_is_verified_by_the_official_library() -> None:
    bound = webhook(secret=NEW)
    request = bound.request([bound.item(EVENT)], "evt-1:crm-hook", time.time())
    assert Webhook(NEW).verify(request.body, request.headers) == EVENT
    assert request.headers["webhook-id"] == "evt-1:crm-hook"


def test_a_changed_body_is_not_verified() -> None:
    bound = webhook(secret=NEW)
    request = bound.request([bound.item(EVENT)], "evt-1:crm-hook", time.time())
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(request.body.replace(b"9.5", b"0.5"), request.headers)


def test_while_a_secret_changes_both_verify() -> None:
    bound = webhook(secret=[NEW, OLD])
    request = bound.request([bound.item(EVENT)], "evt-1:crm-hook", time.time())
    assert request.headers["webhook-signature"].count(" ") == 1
    for secret in (NEW, OLD):
        Webhook(secret).verify(request.body, request.headers)


def test_a_secret_without_prefix_or_padding_is_the_same_secret() -> None:
    now = time.time()
    signatures = {
        webhook(secret=secret).request([b"{}"], "k", now).headers["webhook-signature"]
        for secret in ("whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgMQ==", "c2VjcmV0IHNlY3JldCBzZWNyZXQgMQ")
    }
    assert len(signatures) == 1


def test_an_attempt_has_its_own_time_and_signature_but_the_same_id() -> None:
    bound = webhook(secret=NEW)
    first, second = (bound.request([b"{}"], "evt-1:crm-hook", now).headers for now in (1000.9, 1060.0))
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1000", "1060")
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-signature"] != second["webhook-signature"]


def test_without_a_secret_the_id_is_sent_and_nothing_is_signed() -> None:
    headers = webhook().request([b"{}"], "evt-1:crm-hook", 1000.0).headers
    assert headers["webhook-id"] == "evt-1:crm-hook"
    assert "webhook-signature" not in headers


def test_the_event_is_sent_as_it_is() -> None:
    event = {**EVENT, "properties": {"null": None, "list": [1, {"a": "b"}]}, "extra": True}
    assert orjson.loads(webhook().item(event)) == event


def test_one_request_does_not_change_the_headers_of_the_next() -> None:
    bound = webhook()
    bound.request([b"{}"], "k", 0.0).headers["x-added"] = "later"
    assert "x-added" not in bound.request([b"{}"], "k", 0.0).headers


@given(st.text(st.characters(exclude_categories=())))
def test_no_event_id_can_break_out_of_the_header_or_blur_what_is_signed(key: str) -> None:
    identifier = webhook_id(key)
    assert identifier == webhook_id(key)
    assert identifier.isascii()
    assert identifier.isprintable()
    assert not set(identifier) & set(" .,\"'")
    assert 1 <= len(identifier) <= 256


@pytest.mark.parametrize("key", ["", "a.b", "a b", "a\r\nx-evil: 1", "ключ", "\ud800", "x" * 257])
def test_an_event_id_that_is_not_plain_is_replaced_by_its_digest(key: str) -> None:
    assert webhook_id(key).startswith("sha256-")
