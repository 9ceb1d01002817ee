"""What a destination is: data, and at most one or two small pure functions.

A connector is declared once (`Connector`), bound once to the settings of one destination (`bind`), and
then turns events into items, items into requests, and answers into outcomes (`Bound`). Nothing in this
room does I/O. How to add one: docs/adding-a-destination.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import orjson

from connectors.answers import Answer, Outcome, outcome_of
from connectors.auth import Auth, Basic, Bearer, NoAuth, StandardWebhooks
from connectors.mapping import Event, MappingFault, Unmappable, first, reader, required, to_json
from connectors.settings import HTTP_URL, Setting, Settings, SettingsError, is_http_url, read

__all__ = [
    "Answer", "Answers", "Auth", "Basic", "Batch", "Bearer", "Bound", "Connector", "Event", "MappingFault",
    "NoAuth", "Outcome", "Rate", "Request", "Sends", "Setting", "Settings", "SettingsError",
    "StandardWebhooks", "Unmappable", "first", "required",
]  # fmt: skip


@dataclass(slots=True, repr=False, init=False)  # as Answer
class Request:
    """One HTTP request, ready to be sent. Its repr shows no more of the URL than the host."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body

    def __repr__(self) -> str:
        url = urlsplit(self.url)
        return f"Request({self.method} {url.scheme}://{url.hostname}/..., {len(self.body)} bytes)"


@dataclass(frozen=True)
class Batch:
    """Many events in one request."""

    max_events: int
    #: Bytes of the whole body.
    max_bytes: int
    #: The items of a request -> the JSON value that is its body.
    wrap: Callable[[list[Any]], Any] = list

    def body(self, items: Sequence[bytes]) -> bytes:
        """The body of one request; the items are put in as they are, not encoded a second time."""
        return orjson.dumps(self.wrap([orjson.Fragment(item) for item in items]))

    def take(self, items: Sequence[bytes]) -> int:
        """How many of `items`, from the front, fit into one request: at least one, unless there is none."""
        room = self.max_bytes - len(self.body(())) + 1  # n items have n - 1 commas
        for count, item in enumerate(items[: self.max_events]):
            room -= len(item) + 1
            if room < 0:
                return max(count, 1)
        return min(len(items), self.max_events)


@dataclass(frozen=True)
class Rate:
    """What the vendor allows one destination, requests a second."""

    requests: float


@dataclass(frozen=True)
class Sends:
    """A test vector: this event becomes this item."""

    event: Event
    item: Any


@dataclass(frozen=True)
class Answers:
    """A test vector: this answer means this, for each item of the request."""

    status: int
    #: JSON, or bytes as they are.
    body: Any
    #: One outcome, or one for each item.
    means: Outcome | Sequence[Outcome]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Connector:
    """A kind of destination. Every field but the first four has a default that most vendors fit."""

    #: The name of its file.
    name: str
    #: The vendor's documentation that these facts are from.
    docs: str
    #: Event type -> mapping template (see mapping.py): what it takes, and how.
    accepts: Mapping[str, Any]
    #: One `Sends` at least for each type in `accepts`, and the answers worth knowing.
    vectors: Sequence[Sends | Answers]

    #: Where requests go. The setting `url`, which every connector has, changes it: another region, a
    #: proxy, a test server. Without this the connector declares that setting itself.
    url: str | None = None
    auth: Auth = field(default_factory=NoAuth)
    settings: Sequence[Setting] = ()
    #: Templates that read the settings, as those in `accepts` read the event; each gives a mapping.
    query: Any = field(default_factory=dict)
    headers: Any = field(default_factory=dict)
    #: None: one event a request.
    batch: Batch | None = None
    rate: Rate | None = None
    #: Bytes of JSON that one event may become; a bigger one is Unmappable.
    max_item_bytes: int = 1_000_000
    #: How much of an answer's body is needed to understand it, bytes.
    answer_bytes: int = 4096
    #: (status, body) -> what it means for the whole request (an Outcome), where status alone does not say it.
    #: The body is JSON if it can be read as JSON, otherwise text.
    interpret: Callable[[int, Any], str] | None = None
    #: (status, body, count) -> one outcome per item, in order, where a request can half succeed.
    per_item: Callable[[int, Any, int], Sequence[str]] | None = None

    def __repr__(self) -> str:
        return f"Connector({self.name})"

    @property
    def declared(self) -> tuple[Setting, ...]:
        """Every setting there is, the endpoint first."""
        if self.url is None:
            return tuple(self.settings)
        endpoint = Setting(
            name="url", required=False, default=self.url, check=is_http_url, allowed=HTTP_URL,
            description="Where requests go.", example=self.url,
        )  # fmt: skip
        return (endpoint, *self.settings)

    def bind(self, settings: Settings) -> "Bound":
        """For one destination. SettingsError lists all that is missing, unknown or wrong."""
        return Bound(self, read(self.name, self.declared, settings))

    def schema(self) -> dict[str, Any]:
        """The settings in JSON Schema, for editors."""
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [setting.name for setting in self.declared if setting.required],
            "properties": {setting.name: setting.schema() for setting in self.declared},
        }


class Bound:
    """A connector with the settings of one destination; what can be made ready once is made here."""

    __slots__ = ("_headers", "_reads", "_sign", "_url", "batch", "connector", "secrets")

    def __init__(self, connector: Connector, settings: Settings) -> None:
        self.connector = connector
        self.batch = connector.batch
        self._reads = {kind: reader(template) for kind, template in connector.accepts.items()}
        auth_headers = connector.auth.headers(settings)
        self._headers: dict[str, str] = {
            "user-agent": "Distributary",
            **(reader(connector.headers)(settings) or {}),
            "content-type": "application/json",
            **auth_headers,
        }
        self._sign = connector.auth.sign(settings)
        query = urlencode(reader(connector.query)(settings) or {})
        self._url: str = settings["url"] + (query and ("&" if "?" in settings["url"] else "?") + query)
        #: The secret values, as they are and as they may come back to us, longest first: for masking.
        self.secrets = _secrets(connector, settings, auth_headers)

    def __repr__(self) -> str:
        return f"Bound({self.connector.name})"

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of where requests go: what of a URL may be shown."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def item(self, event: Event) -> bytes:
        """The event as this destination takes it, in JSON. Raises Unmappable, and nothing else."""
        name, mapping = self.connector.name, self._reads.get(event["type"])
        if mapping is None:
            raise Unmappable(f"connector {name} takes no such type of event")
        try:
            value = mapping(event)
        except Unmappable:
            raise
        except Exception as error:
            raise MappingFault(f"connector {name} failed on this event: {type(error).__name__}") from error
        item = to_json(value)
        if len(item) > self.connector.max_item_bytes:
            raise Unmappable(f"{len(item)} bytes; at most {self.connector.max_item_bytes}")
        return item

    def request(self, items: Sequence[bytes], key: str, now: float) -> Request:
        """The request for these items: one of them, or as many as `batch.take` says.

        `key` is the idempotency key, the same at every attempt; `now` is Unix time in seconds.
        """
        body = items[0] if self.batch is None else self.batch.body(items)
        headers = self._headers.copy()
        if self._sign is not None:
            headers.update(self._sign(key, int(now), body))
        return Request("POST", self._url, headers, body)

    def outcomes(self, answer: Answer, count: int) -> list[Outcome]:
        """What the answer means for each of the `count` items, in order. Total: it never raises."""
        connector = self.connector
        if answer.status is None or not (connector.interpret or connector.per_item):
            return [outcome_of(answer)] * count
        body = _readable(answer.body)
        try:
            if connector.per_item:
                outcomes = [Outcome(one) for one in connector.per_item(answer.status, body, count)]
            elif connector.interpret:
                outcomes = [Outcome(connector.interpret(answer.status, body))] * count
        except Exception:  # a bug of ours: nobody can say what was delivered, so all is sent again
            outcomes = []
        return outcomes if len(outcomes) == count else [Outcome.RETRY] * count


def _readable(body: bytes) -> Any:
    """JSON if it is JSON, otherwise text."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


#: What is shorter is no secret, and masking it would tear a log to shreds: `x-version: 1`.
_SHORTEST_SECRET = 6


def _secrets(connector: Connector, settings: Settings, auth_headers: dict[str, str]) -> tuple[str, ...]:
    """Every string that must be masked: secret settings, also as URLs and credentials carry them."""
    found = set(auth_headers.values())
    for setting in connector.declared:
        if setting.secret and setting.name in settings:
            found |= set(_strings(settings[setting.name]))
    found |= {text.removeprefix("Bearer ").removeprefix("Basic ") for text in found}
    found |= {quoted for text in found for quoted in (quote(text, safe=""), quote_plus(text))}
    if any(setting.secret for setting in connector.declared if setting.name == "url"):
        found.add(urlsplit(settings["url"]).path.lstrip("/"))
    return tuple(sorted((text for text in found if len(text) >= _SHORTEST_SECRET), key=len, reverse=True))


def _strings(value: Any) -> Sequence[str]:
    """The strings of a setting as `settings.read` gives it."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, tuple) else (value,)
