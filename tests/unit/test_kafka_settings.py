"""The connection to Kafka: what both clients are told, and what is refused before either is started."""

import ssl
from pathlib import Path
from typing import Any

import confluent_kafka
import confluent_kafka.admin
import faust
import pytest
from cryptography.hazmat.primitives import serialization
from faust.types.auth import AuthProtocol, SASLMechanism

from streams import settings
from streams.config.kafka import ENVIRONMENT, Connection
from streams.config.problems import ConfigError
from tests.flow.certificates import certificate

SHORT = """\
inbound: {topic: events}
destinations:
  - {name: crm-hook, connector: webhook, settings: {url: "https://example.com/hook"}}
"""
PASSWORD = "hush-hush-hush"
SASL = {
    "KAFKA_BOOTSTRAP_SERVERS": "a:9093,b",
    "KAFKA_SASL_USERNAME": "user",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


def connection(env: dict[str, str], section: str = "") -> Connection:
    return settings.parse(SHORT + f"kafka: {section}\n", env=env).kafka


def wrong(env: dict[str, str], section: str = "") -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        connection(env, section)
    return [line.removeprefix("distributary.yaml:4: kafka.") for line in refusal.value.lines]


@pytest.fixture
def pem(tmp_path: Path) -> dict[str, str]:
    """The variables of a CA, a certificate and its key, encrypted with PASSWORD."""
    made = certificate("client", authority=True)
    key = made.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    for name, content in {"ca": made.pem, "certificate": made.pem, "key": key}.items():
        (tmp_path / f"{name}.pem").write_bytes(content)
    return {
        "KAFKA_SSL_CA_LOCATION": f"{tmp_path}/ca.pem",
        "KAFKA_SSL_CERTIFICATE_LOCATION": f"{tmp_path}/certificate.pem",
        "KAFKA_SSL_KEY_LOCATION": f"{tmp_path}/key.pem",
        "KAFKA_SSL_KEY_PASSWORD": PASSWORD,
    }


# Where the brokers are


def test_both_clients_are_told_the_same_brokers() -> None:
    found = connection({"KAFKA_BOOTSTRAP_SERVERS": " a , b:9093,[::1]:1, 10.0.0.1:2"})

    assert found.confluent("me")["bootstrap.servers"] == "a:9092,b:9093,[::1]:1,10.0.0.1:2"
    assert found.faust_broker_url() == "batch://a:9092;batch://b:9093;batch://[::1]:1;batch://10.0.0.1:2"


@pytest.mark.parametrize(
    "servers", ["a,,b", "a:", "a:0", "a:65536", "PLAINTEXT://a:9092", "a b", "user@a:1", "a;b"]
)
def test_what_names_no_broker_is_refused(servers: str) -> None:
    (line,) = wrong({}, f'{{bootstrap_servers: "{servers}"}}')

    assert line == f"bootstrap_servers: '{servers}' is not host:port, or several with commas between"


def test_without_brokers_settings_are_fine_and_clients_are_not() -> None:
    found = connection({})

    for ask in (lambda: found.confluent("me"), found.faust_broker_url):
        with pytest.raises(ConfigError, match="set KAFKA_BOOTSTRAP_SERVERS=host:port"):
            ask()


# The environment


def test_the_environment_wins_over_the_file() -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": "env:1", "SCHEMA_REGISTRY_URL": "http://env"}

    found = connection(env, '{bootstrap_servers: "${NOWHERE}", schema_registry_url: http://file}')

    assert found.bootstrap_servers == "env:1"
    assert found.schema_registry_url is not None
    assert found.schema_registry_url.reveal() == "http://env"


def test_an_empty_variable_says_nothing() -> None:
    assert (
        connection(dict.fromkeys(ENVIRONMENT, ""), "{bootstrap_servers: file}").bootstrap_servers
        == "file:9092"
    )


def test_a_wrong_variable_is_named_and_its_value_is_not() -> None:
    assert wrong({"KAFKA_SECURITY_PROTOCOL": PASSWORD}) == [
        "environment KAFKA_SECURITY_PROTOCOL: kafka.security_protocol: ${KAFKA_SECURITY_PROTOCOL} is not one"
        " of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
    ]


def test_every_variable_sets_a_setting() -> None:
    assert set(ENVIRONMENT.values()) <= set(Connection.model_fields)


# The schema registry


@pytest.mark.parametrize("url", ["http://registry:8081", "https://a/b,https://c/"])
def test_a_registry_without_password_may_be_written_out(url: str) -> None:
    found = connection({}, f'{{schema_registry_url: "{url}"}}').schema_registry_url

    assert found is not None
    assert (found.reveal(), str(found), found.parts) == (url, url, ())


def test_a_registry_with_a_password_must_be_a_reference() -> None:
    (line,) = wrong({}, f"{{schema_registry_url: http://user:{PASSWORD}@registry}}")
    assert line == "schema_registry_url: holds a password: give the URL as ${NAME} or ${file:/path}"

    found = connection({"SCHEMA_REGISTRY_URL": f"http://user:{PASSWORD}@registry"}).schema_registry_url
    assert str(found) == "${SCHEMA_REGISTRY_URL}"


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://", "http://a b"])
def test_a_registry_that_is_no_url_is_refused(url: str) -> None:
    (line,) = wrong({}, f'{{schema_registry_url: "{url}"}}')

    assert line.endswith("is not an http or https URL, or several with commas between")


# Without a password


def test_plaintext_needs_nothing_else() -> None:
    found = connection({"KAFKA_BOOTSTRAP_SERVERS": "a"})

    assert found.confluent("me") == {
        "bootstrap.servers": "a:9092", "client.id": "me", "security.protocol": "PLAINTEXT",
    }  # fmt: skip
    assert found.faust_credentials() is None


# SASL


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_both_clients_are_told_the_same_password(protocol: str, mechanism: str) -> None:
    found = connection(
        {**SASL, "KAFKA_SECURITY_PROTOCOL": protocol.lower(), "KAFKA_SASL_MECHANISM": mechanism}
    )

    told = found.confluent("me")
    credentials = found.faust_credentials()

    assert told == {
        "bootstrap.servers": "a:9093,b:9092", "client.id": "me", "security.protocol": protocol,
        "sasl.mechanism": mechanism, "sasl.username": "user", "sasl.password": PASSWORD,
    }  # fmt: skip
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("user", PASSWORD)
    assert credentials.mechanism is SASLMechanism(mechanism)
    assert credentials.protocol is AuthProtocol(protocol)
    assert (credentials.ssl_context is None) == (protocol == "SASL_PLAINTEXT")
    assert PASSWORD not in f"{found!r} {credentials!r}"


@pytest.mark.parametrize("mechanism", ["GSSAPI", "oauthbearer"])
def test_other_ways_to_authenticate_are_said_to_be_missing(mechanism: str) -> None:
    (line,) = wrong({}, f"{{sasl_mechanism: {mechanism}}}")

    assert line == (
        f"sasl_mechanism: '{mechanism}' is not supported yet: use one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
    )


def test_sasl_needs_all_of_its_settings() -> None:
    assert wrong({}, "{security_protocol: SASL_SSL}") == [
        f"{name}: is missing: security_protocol SASL_SSL needs it"
        for name in ("sasl_mechanism", "sasl_username", "sasl_password")
    ]


def test_sasl_without_a_sasl_protocol_is_refused() -> None:
    """Left out silently, the password would not be sent, and the broker would be blamed."""
    said = wrong({"KAFKA_SASL_PASSWORD": PASSWORD}, "{sasl_mechanism: plain, security_protocol: SSL}")

    reason = "is given, but security_protocol SSL doesn't use it"
    assert said == [
        f"sasl_mechanism: {reason}",
        f"environment KAFKA_SASL_PASSWORD: kafka.sasl_password: {reason}",
    ]


# TLS


def test_tls_without_files_trusts_the_authorities_of_the_system() -> None:
    found = connection({"KAFKA_BOOTSTRAP_SERVERS": "a", "KAFKA_SECURITY_PROTOCOL": "SSL"})

    credentials = found.faust_credentials()

    assert isinstance(credentials, faust.SSLCredentials)
    assert credentials.context.verify_mode is ssl.CERT_REQUIRED
    assert credentials.context.check_hostname


def test_both_clients_are_told_the_same_files(pem: dict[str, str]) -> None:
    found = connection({**pem, "KAFKA_BOOTSTRAP_SERVERS": "a", "KAFKA_SECURITY_PROTOCOL": "SSL"})

    told = found.confluent("me")
    credentials = found.faust_credentials()

    assert told["ssl.ca.location"] == pem["KAFKA_SSL_CA_LOCATION"]
    assert told["ssl.certificate.location"] == pem["KAFKA_SSL_CERTIFICATE_LOCATION"]
    assert told["ssl.key.location"] == pem["KAFKA_SSL_KEY_LOCATION"]
    assert told["ssl.key.password"] == PASSWORD
    assert isinstance(credentials, faust.SSLCredentials)
    assert len(credentials.context.get_ca_certs()) == 1


def test_a_wrong_key_password_is_said_without_asking_on_the_terminal(pem: dict[str, str]) -> None:
    env = {**pem, "KAFKA_SECURITY_PROTOCOL": "SSL"}

    for changed in ({"KAFKA_SSL_KEY_PASSWORD": "wrong-" + PASSWORD}, {"KAFKA_SSL_KEY_PASSWORD": ""}):
        with pytest.raises(ConfigError, match=r"^kafka: its TLS files can't be used: ") as refusal:
            connection({**env, **changed}).faust_credentials()
        assert PASSWORD not in str(refusal.value)


def test_a_file_that_is_no_pem_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    env = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": f"{tmp_path}/ca.pem"}

    with pytest.raises(ConfigError, match="its TLS files can't be used"):
        connection(env).faust_credentials()


def test_a_file_that_is_not_there_is_refused_at_once() -> None:
    (line,) = wrong({}, "{security_protocol: SSL, ssl_ca_location: /nowhere/ca.pem}")

    assert line == "ssl_ca_location: '/nowhere/ca.pem' can't be read: No such file or directory"


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("KAFKA_SSL_KEY_LOCATION", "ssl_key_location: is missing: ssl_certificate_location needs it"),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", "ssl_certificate_location: is missing: ssl_key_location needs it"),
    ],
)
def test_a_certificate_and_its_key_belong_together(pem: dict[str, str], left_out: str, said: str) -> None:
    env = {name: path for name, path in pem.items() if name != left_out}

    assert wrong({**env, "KAFKA_SECURITY_PROTOCOL": "SSL"})[0] == said


def test_tls_files_without_a_tls_protocol_are_refused(pem: dict[str, str]) -> None:
    assert len(wrong(pem)) == len(pem)


# What the clients themselves say


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_librdkafka_takes_what_it_is_told(protocol: str, pem: dict[str, str]) -> None:
    env: dict[str, Any] = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL": protocol}
    if "SASL" in protocol:
        env = {**SASL, "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", **env}
    if "SSL" in protocol.removeprefix("SASL"):
        env = {**pem, **env}

    quiet = {"log_level": 0, "error_cb": lambda error: None}
    confluent_kafka.admin.AdminClient({**connection(env).confluent("me"), **quiet})
    faust.App(
        "me",
        broker=connection(env).faust_broker_url(),
        broker_credentials=connection(env).faust_credentials(),
    )
