"""Registry look-ups, against a real HTTP server."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from streams.decoding import registry
from streams.decoding.registry import Registered, Registry, RegistryUnavailable, SchemaMissing, SchemaRefused
from tests.unit.registries import FakeRegistry, serving, slowly


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving() as server:
        yield server


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    client = Registry(fake.url, timeout_s=2)
    yield client
    client.close()


def test_a_schema_is_asked_for_once(fake: FakeRegistry, client: Registry) -> None:
    fake.put(7, '"string"')

    assert not client.knows(7)
    assert client.schema(7) == client.schema(7) == Registered("AVRO", '"string"')
    assert client.knows(7)
    assert fake.asked == ["GET /schemas/ids/7"]


def test_the_kind_of_a_schema_is_told(fake: FakeRegistry, client: Registry) -> None:
    fake.put(7, "{}", schemaType="JSON")
    assert client.schema(7).kind == "JSON"


def test_what_a_schema_refers_to_comes_before_what_refers_to_it(fake: FakeRegistry, client: Registry) -> None:
    # Given: 7 -> b -> a, 7 -> a, and a slash in a subject
    to_a = {"name": "a", "subject": "sub/a", "version": 1}
    fake.put(7, "seven", references=[{"name": "b", "subject": "b", "version": 3}, to_a])
    fake.put_version("b", 3, "bee", references=[to_a])
    fake.put_version("sub%2Fa", 1, "ay")

    assert client.schema(7).references == ("ay", "bee")
    assert len(fake.asked) == 3


def test_schemas_that_refer_to_each_other_come_to_an_end(fake: FakeRegistry, client: Registry) -> None:
    to_a = [{"name": "a", "subject": "a", "version": 1}]
    fake.put(7, "seven", references=to_a)
    fake.put_version("a", 1, "ay", references=to_a)

    assert client.schema(7).references == ("ay",)


def test_endless_references_come_to_an_end(fake: FakeRegistry, client: Registry) -> None:
    fake.put(7, "seven", references=[{"name": "a", "subject": "a", "version": 0}])
    for version in range(300):
        reference = {"name": "a", "subject": "a", "version": version + 1}
        fake.put_version("a", version, "ay", references=[reference])

    with pytest.raises(SchemaMissing):
        client.schema(7)


def test_a_missing_schema_is_believed_to_be_missing_for_a_while(fake: FakeRegistry, client: Registry) -> None:
    for _ in range(3):
        with pytest.raises(SchemaMissing, match="schema 7"):
            client.schema(7)
    assert client.knows(7)
    assert len(fake.asked) == 1


def test_a_missing_schema_is_asked_for_again_after_a_while(
    fake: FakeRegistry, client: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "BELIEVED_MISSING_S", 0)
    with pytest.raises(SchemaMissing):
        client.schema(7)

    # When: somebody registers it meanwhile
    fake.put(7, '"string"')

    assert client.schema(7).text == '"string"'


def test_a_missing_reference_is_a_missing_schema(fake: FakeRegistry, client: Registry) -> None:
    fake.put(7, "seven", references=[{"name": "a", "subject": "a", "version": 1}])
    with pytest.raises(SchemaMissing):
        client.schema(7)


def test_invented_ids_do_not_fill_the_memory(client: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MOST_MISSING", 3)
    for schema_id in range(8):
        with pytest.raises(SchemaMissing):
            client.schema(schema_id)
    assert len(client._missing) <= 3


@pytest.mark.parametrize("status", [302, 400, 401, 403, 405, 429, 500, 502, 503])
def test_an_answer_that_is_not_about_the_schema_is_trouble_of_ours(
    fake: FakeRegistry, client: Registry, status: int
) -> None:
    fake.say("GET /schemas/ids/7", {"error_code": 1}, status)
    with pytest.raises(RegistryUnavailable, match=f"answered {status}"):
        client.schema(7)
    assert not client.knows(7)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"schema": 7}',
        b'{"schema": "s", "references": 7}',
        b'{"schema": "s", "references": [{}]}',
        b'{"schema": "s", "references": [7]}',
        b'{"schema": "s", "references": [{"subject": "a", "version": "x"}]}',
        b"{" * 100_000,
        b'{"schema": "' + b"s" * 5_000_000 + b'"}',
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_an_answer_that_makes_no_sense_is_trouble_of_ours(
    fake: FakeRegistry, client: Registry, answer: bytes
) -> None:
    fake.answers["GET /schemas/ids/7"] = 200, answer
    with pytest.raises(RegistryUnavailable):
        client.schema(7)


def test_nobody_listening_is_trouble_of_ours_and_says_so_in_the_systems_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        closing(Registry(f"http://127.0.0.1:{port}", timeout_s=1)) as client,
        pytest.raises(RegistryUnavailable, match="Connection refused"),
    ):
        client.schema(7)


def test_a_slow_registry_is_given_up_in_time(fake: FakeRegistry) -> None:
    fake.before_answer = slowly(3)
    began = time.monotonic()
    with (
        closing(Registry(fake.url, timeout_s=0.2)) as client,
        pytest.raises(RegistryUnavailable, match="ReadTimeout"),
    ):
        client.schema(7)
    assert time.monotonic() - began < 2


def test_the_next_registry_is_asked_when_one_has_trouble(fake: FakeRegistry) -> None:
    fake.put(7, '"string"')
    with serving() as broken:
        broken.say("GET /schemas/ids/7", {}, 503)
        with closing(Registry(f"{broken.url}, {fake.url}/")) as client:
            assert client.schema(7).text == '"string"'
    assert len(broken.asked) == len(fake.asked) == 1


@pytest.mark.parametrize("settings", [("me:se%40cret@", None), ("", ("me", "se@cret"))])
def test_credentials_go_to_the_registry_and_nowhere_else(fake: FakeRegistry, settings: Any) -> None:
    userinfo, auth = settings
    fake.say("GET /schemas/ids/7", {}, 401)

    with (
        closing(Registry(fake.url.replace("//", f"//{userinfo}"), auth)) as client,
        pytest.raises(RegistryUnavailable) as caught,
    ):
        client.schema(7)

    assert fake.users == ["me:se@cret"]
    assert "cret" not in str(caught.value)
    assert "cret" not in repr(client)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry:8081",
        "ftp://me:secret@registry",
        "http://",
        "http://me:secret@",
        "http://\0:secret@registry",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https URL") as caught:
        Registry(url)
    assert "secret" not in str(caught.value)


def test_a_schema_is_registered_under_its_subject(fake: FakeRegistry, client: Registry) -> None:
    fake.say("POST /subjects/events-value/versions", {"id": 12})
    assert client.register("events-value", '"string"') == 12
    assert fake.bodies == [b'{"schema":"\\"string\\""}']


@pytest.mark.parametrize("status", [409, 422])
def test_a_schema_that_the_registry_refuses_is_refused_in_its_words(
    fake: FakeRegistry, client: Registry, status: int
) -> None:
    fake.say("POST /subjects/events-value/versions", {"message": "it is incompatible"}, status)
    with pytest.raises(SchemaRefused, match="it is incompatible"):
        client.register("events-value", '"string"')


def test_a_registration_without_an_id_is_trouble_of_ours(fake: FakeRegistry, client: Registry) -> None:
    fake.say("POST /subjects/events-value/versions", {})
    with pytest.raises(RegistryUnavailable):
        client.register("events-value", '"string"')


def test_a_url_where_no_registry_is_can_be_told_from_a_missing_schema(
    fake: FakeRegistry, client: Registry
) -> None:
    client.check()
    with (
        closing(Registry(fake.url + "/nowhere")) as lost,
        pytest.raises(RegistryUnavailable, match="no schema registry at this URL"),
    ):
        lost.check()
