"""The connection to Kafka: one set of settings for both clients, librdkafka (confluent-kafka) and Faust's."""

import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from streams.config.fields import File, Path, Secret, SecretText, Section, Text, Wrong, plain
from streams.config.problems import ConfigError

if TYPE_CHECKING:
    from faust import SASLCredentials, SSLCredentials

#: Overrides from the environment. It wins over the file: it is where a deployment says what differs.
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "bootstrap_servers",
    "KAFKA_SECURITY_PROTOCOL": "security_protocol",
    "KAFKA_SASL_MECHANISM": "sasl_mechanism",
    "KAFKA_SASL_USERNAME": "sasl_username",
    "KAFKA_SASL_PASSWORD": "sasl_password",
    "KAFKA_SSL_CA_LOCATION": "ssl_ca_location",
    "KAFKA_SSL_CERTIFICATE_LOCATION": "ssl_certificate_location",
    "KAFKA_SSL_KEY_LOCATION": "ssl_key_location",
    "KAFKA_SSL_KEY_PASSWORD": "ssl_key_password",
    "SCHEMA_REGISTRY_URL": "schema_registry_url",
}

DEFAULT_PORT = 9092
_SERVER = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")


#: What SASL can't do without.
_SASL = ("sasl_mechanism", "sasl_username", "sasl_password")
#: What the second one can't do without.
_TOGETHER = (
    ("ssl_certificate_location", "ssl_key_location"),
    ("ssl_key_location", "ssl_certificate_location"),
    ("ssl_key_location", "ssl_key_password"),
)


class Protocol(StrEnum):
    """How the brokers are spoken to."""

    #: Neither encrypted nor authenticated.
    PLAINTEXT = "PLAINTEXT"
    #: TLS; who we are is said by a client certificate, or not at all.
    SSL = "SSL"
    #: A user name and password, in the clear.
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    #: A user name and password, inside TLS.
    SASL_SSL = "SASL_SSL"


class Mechanism(StrEnum):
    """How a user name and password are proved."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


def _upper(value: Any) -> Any:
    return text.upper() if isinstance(text := plain(value), str) else text


def _mechanism(value: Any) -> Any:
    mechanism = _upper(value)
    if mechanism in ("GSSAPI", "OAUTHBEARER"):
        raise ValueError(f"is not supported yet: use one of {', '.join(Mechanism)}")
    return mechanism


def _servers(value: Any) -> Any:
    """`a, b:9093` -> `a:9092,b:9093`."""
    if not isinstance(text := plain(value), str):
        return text
    servers = [_SERVER.fullmatch(server.strip()) for server in text.split(",")]
    addresses = [(server["host"], int(server["port"] or DEFAULT_PORT)) for server in servers if server]
    if len(addresses) < len(servers) or not all(0 < port < 65_536 for _, port in addresses):
        raise ValueError("is not host:port, or several with commas between")
    return ",".join(f"{host}:{port}" for host, port in addresses)


def _registry(value: Any) -> Any:
    """One http(s) URL or several with commas between; with a user name and password in it, a secret."""
    if not isinstance(url := plain(value), str):
        return url
    if not all(re.fullmatch(r"https?://[^\s/]+(/\S*)?", one.strip()) for one in url.split(",")):
        raise ValueError("is not an http or https URL, or several with commas between")
    if "@" not in url:
        return Secret(url, value.reference if isinstance(value, Secret) else url, parts=())
    if not isinstance(value, Secret):
        raise Wrong([((), "holds a password: give the URL as ${NAME} or ${file:/path}")])
    return value


RegistryUrl = Annotated[
    Secret, BeforeValidator(_registry), PlainSerializer(repr), WithJsonSchema({"type": "string"})
]


class Connection(Section):
    """Where the brokers are, and how to speak to them."""

    bootstrap_servers: Annotated[str, BeforeValidator(_servers)] | None = None
    """Brokers to ask first: host:port, several with commas between; the port is 9092 unless said.
    No default: KAFKA_BOOTSTRAP_SERVERS or this must name them before anything is read or written."""
    security_protocol: Annotated[Protocol, BeforeValidator(_upper)] = Protocol.PLAINTEXT
    """PLAINTEXT, SSL (TLS), SASL_PLAINTEXT or SASL_SSL. Environment: KAFKA_SECURITY_PROTOCOL."""
    sasl_mechanism: Annotated[Mechanism, BeforeValidator(_mechanism)] | None = None
    """Needed with SASL_*. Environment: KAFKA_SASL_MECHANISM."""
    sasl_username: Text | None = None
    """Needed with SASL_*. Environment: KAFKA_SASL_USERNAME."""
    sasl_password: SecretText | None = None
    """Needed with SASL_*, only by reference. Environment: KAFKA_SASL_PASSWORD."""
    ssl_ca_location: File | None = None
    """PEM file of the authorities that may sign the brokers' certificates; the system's by default.
    Environment: KAFKA_SSL_CA_LOCATION."""
    ssl_certificate_location: File | None = None
    """PEM file of the client certificate, if brokers ask for one.
    Environment: KAFKA_SSL_CERTIFICATE_LOCATION."""
    ssl_key_location: File | None = None
    """PEM file of its private key. Environment: KAFKA_SSL_KEY_LOCATION."""
    ssl_key_password: SecretText | None = None
    """Password of the private key, only by reference. Environment: KAFKA_SSL_KEY_PASSWORD."""
    schema_registry_url: RegistryUrl | None = None
    """Confluent schema registry. Without it, Avro events come in Avro's single-object encoding.
    Environment: SCHEMA_REGISTRY_URL."""

    @model_validator(mode="after")
    def _agree(self) -> "Connection":
        if found := [*self._missing(), *self._unused()]:
            raise Wrong([((name,), text) for name, text in found])
        return self

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol in (Protocol.SSL, Protocol.SASL_SSL)

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol in (Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL)

    def confluent(self, client_id: str) -> dict[str, Any]:
        """Settings of a librdkafka client. Holds the passwords in the clear: never log it."""
        settings = {
            "bootstrap.servers": self.servers(),
            "client.id": client_id,
            "security.protocol": self.security_protocol.value,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": plain(self.sasl_password),
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
            "ssl.key.password": plain(self.ssl_key_password),
        }
        return {name: str(value) for name, value in settings.items() if value is not None}

    def faust_broker_url(self) -> str:
        """The brokers as Faust is told them, with our transport: `batch://a:9092;batch://b:9092`."""
        return ";".join(f"batch://{server}" for server in self.servers().split(","))

    def faust_credentials(self) -> "SASLCredentials | SSLCredentials | None":
        """What Faust authenticates with; None for PLAINTEXT. ConfigError if a PEM file is of no use."""
        import faust  # takes a second, and most commands never speak through it

        context = self._ssl_context() if self.uses_tls else None
        if self.uses_sasl:
            return faust.SASLCredentials(
                username=self.sasl_username,
                password=plain(self.sasl_password),
                mechanism=str(self.sasl_mechanism),
                ssl_context=context,
            )
        return faust.SSLCredentials(context) if context else None

    def servers(self) -> str:
        """`a:9092,b:9092`; ConfigError if nobody named them."""
        if self.bootstrap_servers is None:
            there = "set KAFKA_BOOTSTRAP_SERVERS=host:port, or give it in the file"
            raise ConfigError([f"kafka.bootstrap_servers: is missing: {there}"])
        return self.bootstrap_servers

    def _missing(self) -> list[tuple[str, str]]:
        needed = [(name, f"security_protocol {self.security_protocol}", self.uses_sasl) for name in _SASL]
        needed += [(name, other, getattr(self, other) is not None) for name, other in _TOGETHER]
        return [
            (name, f"is missing: {by} needs it")
            for name, by, is_needed in needed
            if is_needed and getattr(self, name) is None
        ]

    def _unused(self) -> list[tuple[str, str]]:
        """Given, but of no use with this protocol: left out, the connection might be less safe than meant."""
        kinds = [("sasl_", self.uses_sasl), ("ssl_", self.uses_tls)]
        return [
            (name, f"is given, but security_protocol {self.security_protocol} doesn't use it")
            for prefix, used in kinds
            for name in Connection.model_fields
            if name.startswith(prefix) and not used and getattr(self, name) is not None
        ]

    def _ssl_context(self) -> ssl.SSLContext:
        password = plain(self.ssl_key_password) or ""  # never None: OpenSSL would ask on the terminal
        certificate, key = self.ssl_certificate_location, self.ssl_key_location
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca_location)
            if certificate is not None:
                context.load_cert_chain(certificate, key, lambda: password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise ConfigError([f"kafka: its TLS files can't be used: {reason}"]) from None
        return context


def override(data: dict[str, Any], env: Mapping[str, str]) -> dict[Path, str]:
    """Put the connection that the environment names over the one in the file's data.

    Returns path -> variable of what it put there. An empty variable says nothing.
    """
    given = {name: variable for variable, name in ENVIRONMENT.items() if env.get(variable)}
    section = data.get("kafka") or {}
    if not given or not isinstance(section, dict):
        return {}
    secrets = {name: Secret(env[variable], f"${{{variable}}}") for name, variable in given.items()}
    data["kafka"] = {**section, **secrets}
    return {("kafka", name): f"environment {variable}" for name, variable in given.items()}
