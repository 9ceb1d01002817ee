"""The schema registry: which schema an id in the Confluent wire format stands for.

Confluent's own client is not used: it has no time limit unless told, sleeps between retries that our
caller makes anyway, and puts whole answers into its errors.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import orjson

if TYPE_CHECKING:
    from streams.config.kafka import Connection

#: How long "there is no such schema" is believed, in seconds. Producers register a schema before they
#: use its id, so this is rare; but who asks a registry that lags behind may ask again soon.
BELIEVED_MISSING_S = 30.0

#: The longest answer that is read, in bytes.
LONGEST_ANSWER = 4 * 1024 * 1024

#: The most schemas that one schema may refer to, directly or not.
MOST_REFERENCES = 100

#: The most missing ids that are remembered: a stream of invented ids must not fill the memory.
MOST_MISSING = 10_000

#: Answers that are about the schema asked for. Any other is about the registry, or the way to it.
_USABLE = frozenset({200, 404, 409, 422})

_HEADERS = {
    "Accept": "application/vnd.schemaregistry.v1+json, application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/vnd.schemaregistry.v1+json",
}


class RegistryUnavailable(Exception):
    """The registry gave no usable answer. Our trouble, not the event's: ask again later."""


class NoRegistry(RegistryUnavailable):
    """Something else answers at the URL: waiting will not help."""


class SchemaMissing(LookupError):
    """The registry says that there is no such schema."""


class SchemaRefused(ValueError):
    """The registry does not take the schema: it is none, or incompatible with its subject's others."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A schema as the registry has it."""

    #: AVRO, JSON or PROTOBUF.
    kind: str
    text: str
    #: The texts of the schemas that it names, each after those it names itself.
    references: tuple[str, ...] = ()


class Registry:
    """Looks schemas up. Blocks while it asks, at most `timeout_s` at each step; may be used by threads.

    `url` may be several, separated by commas, that are asked in turn. The first one's user info, or
    `auth`, is sent as HTTP basic authentication and appears nowhere else.
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        timeout_s: float = 5.0,
        ca_file: str | None = None,
    ) -> None:
        urls = [_url(one) for one in url.split(",")]
        self._bases = [one.copy_with(userinfo=b"") for one in urls]
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            auth=auth or ((urls[0].username, urls[0].password) if urls[0].userinfo else None),
            headers=_HEADERS,
            timeout=timeout_s,
            verify=ssl.create_default_context(cafile=ca_file),
        )
        self._found: dict[int, Registered] = {}
        self._missing: dict[int, float] = {}

    @classmethod
    def of(cls, connection: "Connection") -> "Registry | None":
        """The configured registry, if any."""
        url = connection.schema_registry_url
        return cls(url.reveal()) if url else None

    def knows(self, schema_id: int) -> bool:
        """Whether `schema` would answer without asking the registry."""
        return schema_id in self._found or self._missing.get(schema_id, 0) > time.monotonic()

    def schema(self, schema_id: int) -> Registered:
        """The schema of an id; asked for once, because it never changes.

        Raises:
            SchemaMissing: there is none. Believed for BELIEVED_MISSING_S.
            RegistryUnavailable: nobody can tell.
        """
        if schema_id in self._found:
            return self._found[schema_id]
        missing = f"the registry has no schema {schema_id}, or not all that it refers to"
        if self.knows(schema_id):
            raise SchemaMissing(missing)
        try:
            found = self._fetch(schema_id)
        except SchemaMissing:
            self._remember_missing(schema_id)
            raise SchemaMissing(missing) from None
        except (KeyError, TypeError, ValueError, AttributeError):  # its JSON is not as documented
            raise RegistryUnavailable(f"the answer for schema {schema_id} makes no sense") from None
        self._found[schema_id] = found
        return found

    def register(self, subject: str, text: str) -> int:
        """Register an Avro schema under a subject, unless it is there already; its id.

        Raises:
            SchemaRefused, RegistryUnavailable.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        status, answer = self._ask("POST", path, orjson.dumps({"schema": text}))
        if status != 200:
            raise SchemaRefused(f"{subject}: {answer.get('message', 'refused')} (status {status})"[:500])
        if not isinstance(answer.get("id"), int):
            raise RegistryUnavailable("the answer to a registration has no id: is this a schema registry?")
        return int(answer["id"])

    def check(self) -> None:
        """Ask for something that every registry has: a wrong URL answers 404 to all ids alike.

        Raises:
            NoRegistry: there is no registry at the URL.
            RegistryUnavailable: it can't be reached, or doesn't let us in.
        """
        if self._ask("GET", "/schemas/types")[0] != 200:
            raise NoRegistry(f"{self._bases[0].host}: there is no schema registry at this URL")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fetch(self, schema_id: int) -> Registered:
        answer = self._get(f"/schemas/ids/{schema_id}")
        texts: list[str] = []
        self._follow(answer, texts, set())
        kind = answer.get("schemaType") or "AVRO"  # old registries know of nothing else
        return Registered(str(kind), answer["schema"], tuple(texts))

    def _follow(self, answer: Mapping[str, Any], texts: list[str], seen: set[tuple[str, int]]) -> None:
        """Append the texts of what a schema refers to, each after those it refers to itself."""
        for reference in answer.get("references") or ():
            place = str(reference["subject"]), int(reference["version"])
            if place in seen:
                continue
            seen.add(place)
            if len(seen) > MOST_REFERENCES:
                raise SchemaMissing("too many references")
            referred = self._get(f"/subjects/{quote(place[0], safe='')}/versions/{place[1]}")
            self._follow(referred, texts, seen)
            texts.append(referred["schema"])

    def _remember_missing(self, schema_id: int) -> None:
        if len(self._missing) >= MOST_MISSING:
            self._missing.clear()
        self._missing[schema_id] = time.monotonic() + BELIEVED_MISSING_S

    def _get(self, path: str) -> dict[str, Any]:
        status, answer = self._ask("GET", path)
        if status != 200:
            raise SchemaMissing(path)
        if not isinstance(answer.get("schema"), str):
            raise RegistryUnavailable(f"the answer for {path} holds no schema: is this a schema registry?")
        return answer

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        """The first usable answer: its status, and its JSON object or an empty one."""
        trouble = ""
        for base in self._bases:
            try:
                status, answer = self._exchange(method, str(base).rstrip("/") + path, body)
            except Exception as error:  # whatever it is, it is never the event's fault
                trouble = f"{base.host}: {type(error).__name__} {_cause(error)}".rstrip()
                continue
            if status in _USABLE:
                return status, answer
            trouble = f"{base.host} answered {status}"
        raise RegistryUnavailable(f"schema registry {trouble}")

    def _exchange(self, method: str, url: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        ends = time.monotonic() + self._timeout_s
        answer = bytearray()
        with self._client.stream(method, url, content=body) as response:
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > LONGEST_ANSWER or time.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer is too long or too slow")
        content = orjson.loads(answer) if response.status_code == 200 or answer[:1] == b"{" else {}
        return response.status_code, content if isinstance(content, dict) else {}


def _url(text: str) -> httpx.URL:
    """A base URL. Its text is not repeated in the error: it may hold a password."""
    try:
        url = httpx.URL(text.strip())
    except Exception:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the schema registry's URL is not an http or https URL")
    return url


def _cause(error: Exception) -> str:
    """The operating system's words, as far as they are there: 'Connection refused'."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
        cause = cause.__cause__ or cause.__context__
    return str(cause.strerror) if isinstance(cause, OSError) else ""
