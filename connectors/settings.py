"""What a destination must be told before it can be used: declared as data, checked all at once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

Settings = Mapping[str, Any]


class SettingsError(ValueError):
    """Settings that a connector cannot be bound with: every problem, each with what is allowed.

    Values of secret settings are never in it.
    """

    def __init__(self, connector: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"settings of connector {connector}: " + "; ".join(self.problems))


class Shape(Enum):
    """What a setting looks like in the config."""

    #: One string; a whole number is taken as one.
    TEXT = "a string"
    #: One string, or a list of them.
    TEXTS = "a string or a list of strings"
    #: Names and their strings.
    MAP = "a mapping of names to strings"


def anything(text: str) -> bool:
    """Not empty."""
    return bool(text)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One thing a destination must, or may, be told."""

    name: str
    #: Never shown anywhere, and masked where it might come back to us.
    secret: bool = False
    required: bool = True
    #: Only for a setting that is not required.
    default: str | None = None
    shape: Shape = Shape.TEXT
    #: Is this string (each of them; for a MAP, ``name: value``) allowed?
    check: Callable[[str], bool] = anything
    #: The same in words, for whoever got it wrong.
    allowed: str = "a string that is not empty"
    description: str = ""
    #: A value that is allowed: for documentation, editors and tests.
    example: Any = ""

    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""
        texts = _texts(self.shape, value)
        if texts is None:
            return f"{self.name}: must be {self.shape.value}: {self.allowed}"
        wrong = next((text for text in texts if not (_is_clean(text) and self.check(text))), None)
        if wrong is None:
            return None
        return f"{self.name}: {self._shown(wrong)} is not allowed; allowed: {self.allowed}"

    def schema(self) -> dict[str, Any]:
        """This setting in JSON Schema, for editors. Not its pattern: the value may be a reference."""
        text = {"type": ["string", "integer"]}
        shapes: dict[Shape, dict[str, Any]] = {
            Shape.TEXT: text,
            Shape.TEXTS: {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]},
            Shape.MAP: {"type": "object", "additionalProperties": text},
        }
        words = f"{self.description} Allowed: {self.allowed}.".strip()
        default = {} if self.default is None else {"default": self.default}
        return {**shapes[self.shape], "description": words, "examples": [self.example], **default}

    def _shown(self, text: str) -> str:
        """The wrong value, unless it is, or may contain, a secret: a password or a query in a URL."""
        if self.secret or "@" in text:
            return "the value (hidden)"
        return repr(text.partition("?")[0][:80])


def read(connector: str, declared: Iterable[Setting], given: Settings) -> dict[str, Any]:
    """Settings as strings (TEXT), tuples (TEXTS), dicts (MAP); SettingsError names all that is wrong."""
    known = {setting.name: setting for setting in declared}
    problems = [f"{name}: unknown; known are {', '.join(known)}" for name in given if name not in known]
    for setting in known.values():
        if setting.name in given:
            problems += filter(None, [setting.problem(given[setting.name])])
        elif setting.required:
            problems.append(f"{setting.name}: missing; give {setting.allowed}")
    if problems:
        raise SettingsError(connector, problems)
    return {
        name: _value(setting.shape, given.get(name, setting.default))
        for name, setting in known.items()
        if name in given or setting.default is not None
    }


def is_http_url(text: str) -> bool:
    """An absolute http or https URL: printable ASCII, a host, no user name or password, no fragment."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return False
    visible = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return (
        visible
        and url.scheme in ("http", "https")
        and bool(url.hostname)
        and not ("@" in url.netloc or "#" in text)
    )


HTTP_URL = "an http or https URL without user name, password and fragment"


def is_header(text: str) -> bool:
    """``name: value`` that can be sent as an HTTP header and that is not ours to send (RFC 9110, 5)."""
    name, _, value = text.partition(": ")
    is_token = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None
    return is_token and name.lower() not in OWN_HEADERS and value.isascii() and value == value.strip()


#: Headers that the connection, or the signature, depends on.
OWN_HEADERS = frozenset({
    "connection", "content-length", "content-type", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp",
})  # fmt: skip


def _texts(shape: Shape, value: Any) -> list[str] | None:
    """The strings to check in a value; None when it has not the shape it should have."""
    if shape is Shape.TEXTS:
        values = value if isinstance(value, (list, tuple)) else [value]
        return [str(text) for text in values] if values and all(map(_is_text, values)) else None
    if shape is Shape.MAP:
        if not isinstance(value, Mapping) or not all(map(_is_text, [*value, *value.values()])):
            return None
        return [f"{name}: {text}" for name, text in value.items()]
    return [str(value)] if _is_text(value) else None


def _value(shape: Shape, value: Any) -> Any:
    if shape is Shape.TEXTS:
        return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
    if shape is Shape.MAP:
        return {str(name).lower(): str(text) for name, text in value.items()}
    return str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _is_clean(text: str) -> bool:
    """No control characters (a line feed would end a header), nothing that is not Unicode."""
    return not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text)
