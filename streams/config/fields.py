"""What a field of the config file can be: text, a number, true or false, a duration, a secret.

Any of them may be given by reference (`${NAME}`, `${file:/path}`). What came by reference is a
`Secret` until a field that is none takes it as plain text, so nothing is shown by mistake.
"""

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from streams import durations

#: Where a value stands in the file: `("destinations", 0, "limits", "in_flight")`.
Path = tuple[str | int, ...]


class Secret:
    """A text that came by reference. Shows as the reference; only `reveal` says the value."""

    __slots__ = ("_value", "parts", "reference")

    def __init__(self, value: str, reference: str, parts: Sequence[str] | None = None) -> None:
        #: The text, with its references replaced.
        self._value = value
        #: The text as it stands in the file, like `Bearer ${TOKEN}`.
        self.reference = reference
        #: What each reference in it stands for: to be masked, as the whole is, wherever it turns up.
        self.parts = (value,) if parts is None else tuple(parts)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return self.reference

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.reference) == (other._value, other.reference)

    def __hash__(self) -> int:
        return hash((self._value, self.reference))


class Unresolved(Secret):
    """A text whose reference stands for nothing. That has been said; its value can't be judged."""

    __slots__ = ()

    def __init__(self, reference: str) -> None:
        super().__init__("", reference, ())


class Wrong(ValueError):
    """Several things wrong with one value: each with its path from there, and what is wrong."""

    def __init__(self, found: Sequence[tuple[Path, str]]) -> None:
        super().__init__("; ".join(text for _, text in found))
        self.found = tuple(found)


class Section(BaseModel):
    """A mapping of the config file. A key without a value counts as not given."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = cls.model_fields
        return {key: value for key, value in given.items() if value is not None or key not in known}


def plain(value: Any) -> Any:
    """The text of a reference; anything else as it is."""
    return value.reveal() if isinstance(value, Secret) else value


def secrets_in(value: Any) -> list[Secret]:
    """Every secret in a value, however deep."""
    if isinstance(value, Secret):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [secret for item in inner for secret in secrets_in(item)]


def changed(value: Any, change: Any) -> Any:
    """A copy of a value, with `change` applied to each secret in it."""
    if isinstance(value, dict):
        return {key: changed(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [changed(item, change) for item in value]
    return change(value) if isinstance(value, Secret) else value


def _number(value: Any) -> Any:
    """YAML's `true` is not the number 1: as text it is no number at all."""
    return str(value) if isinstance(value, bool) else plain(value)


def _duration(value: Any) -> float:
    written = plain(value)
    if isinstance(written, bool | int | float):
        raise ValueError(f"has no unit: {ALLOWED_DURATION}")
    if not isinstance(written, str):
        raise ValueError(f"is not {ALLOWED_DURATION}")
    try:
        return durations.parse(written)
    except ValueError:  # its text holds the value, which may be a secret
        raise ValueError(f"is not {ALLOWED_DURATION}") from None


def _file(value: Any) -> Any:
    path = plain(value)
    if isinstance(path, str):
        try:
            FilePath(path).open("rb").close()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such path"
            raise ValueError(f"can't be read: {reason}") from None
    return path


ALLOWED_DURATION = "a duration such as 500ms, 30s, 10m, 4h or 7d"
_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^([0-9]+(\.[0-9]+)?(d|h|ms|m|s))+$",
    "patternErrorMessage": ALLOWED_DURATION,
}
_SECRET_SCHEMA = {
    "type": "string",
    "pattern": r"\$\{[^}]+\}",
    "patternErrorMessage": "given by reference: write ${NAME} or ${file:/path}",
}


def _words(pattern: str, words: str) -> Any:
    """A pattern, and what an editor and our own messages say of a text that doesn't match it."""
    return Field(pattern=pattern, json_schema_extra={"patternErrorMessage": words})


def lasting(written: str | tuple[str, ...], **limits: Any) -> Any:
    """The default of a duration, or of several, as the file would write it; limits in seconds."""
    return Field(default=written, **limits)


Text = Annotated[str, BeforeValidator(plain)]
Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(plain)]
#: Seconds; written with a unit in the file.
Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
#: Stays a `Secret`, and can't be given in any other way than by reference.
SecretText = Annotated[Secret, PlainSerializer(repr), WithJsonSchema(_SECRET_SCHEMA)]
#: The path of a file that is there and can be read.
File = Annotated[str, BeforeValidator(_file)]
TopicName = Annotated[
    str,
    _words(r"^[A-Za-z0-9._-]{1,249}$", "a topic name: 1 to 249 of A-Z a-z 0-9 . _ -"),
    BeforeValidator(plain),
]
Prefix = Annotated[
    str,
    _words(r"^[A-Za-z0-9._-]{0,100}$", "at most 100 of A-Z a-z 0-9 . _ -"),
    BeforeValidator(plain),
]
GroupName = Annotated[
    str,
    _words(r"^[A-Za-z0-9._-]{1,200}$", "1 to 200 of A-Z a-z 0-9 . _ -"),
    BeforeValidator(plain),
]
DestinationName = Annotated[
    str,
    _words(r"^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$", "a name of a-z 0-9 and dashes inside, at most 60 long"),
    BeforeValidator(plain),
]
