"""What is wrong with a configuration, in words: where, the value that is there, and what is allowed.

The words for what is allowed come from the JSON Schema of the settings, so an editor and the
command line say the same. A value that came by reference is shown as the reference.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connectors.base import Connector, SettingsError
from connectors.settings import Shape
from streams import durations
from streams.config.fields import Path, Secret, Unresolved, Wrong, changed, plain, secrets_in

#: Longer values are cut in messages, characters.
SHOWN = 60

#: In a URL: a name, and perhaps a password.
_USER_INFO = re.compile(r"//[^/\s]*@")

BY_REFERENCE = "is a secret: give it as ${NAME} or ${file:/path}"

_BEYOND = {
    "greater_than": ("gt", "is not more than"),
    "greater_than_equal": ("ge", "is less than"),
    "less_than": ("lt", "is not less than"),
    "less_than_equal": ("le", "is more than"),
}


class ConfigError(Exception):
    """The configuration can't be used. The text is one line for each problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the value at a path."""

    path: Path
    text: str

    def line(self, where: str) -> str:
        """`distributary.yaml:12: destinations[0].limits.in_flight: 'x' is not a whole number ...`."""
        return f"{where}: {dotted(self.path)}: {self.text}" if self.path else f"{where}: {self.text}"


def dotted(path: Path) -> str:
    """`destinations[0].limits.in_flight`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_cut(_one_line(step))}" for step in path)
    return "".join(steps).removeprefix(".")


def shown(value: object) -> str:
    """A value as a message may show it: on one line, not too long, a secret as its reference."""
    if isinstance(value, Secret):
        return _cut(_one_line(value.reference))
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "nothing")
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return _cut(_USER_INFO.sub("//***@", repr(value)) if isinstance(value, str) else str(value))


def unknown(name: str, there_are: Iterable[str]) -> str:
    """What to say about a key or a name that there isn't, with the one that was probably meant."""
    names = list(there_are)
    near = difflib.get_close_matches(name, names, n=1)
    meant = f", did you mean {near[0]!r}?" if near else "."
    return f"is unknown{meant} Allowed: {', '.join(names) or 'nothing'}"


def of_validation(error: ValidationError, schema: Mapping[str, Any], given: Any) -> list[Problem]:
    """The problems pydantic found in what was `given`; `schema` is the JSON Schema it broke.

    Neither pydantic's messages nor its inputs are used: both may hold a revealed secret.
    """
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = detail["loc"]
        if detail["type"] == "too_short" and _value(given, path):
            continue  # pydantic counts only the items that are right
        fault = detail.get("ctx", {}).get("error")
        if isinstance(fault, Wrong):
            problems += [Problem(path + below, text) for below, text in fault.found]
        else:
            problems.append(Problem(path, _text(detail, fault, schema, given)))
    return [problem for problem in problems if not _is_unresolved(_value(given, problem.path))]


def _is_unresolved(value: Any) -> bool:
    """Is this a reference that stands for nothing, or does it directly hold one?"""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return any(isinstance(item, Unresolved) for item in inner)


def _text(detail: Any, fault: object, schema: Mapping[str, Any], given: Any) -> str:
    kind, path = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        there_are = _at(schema, path[:-1]).get("properties", ())
        return f"the key {unknown(str(path[-1]), there_are)}"
    if kind == "is_instance_of":
        return BY_REFERENCE
    if kind == "missing":
        return f"is missing: give {allowed(_at(schema, path), schema)}"
    value, rule = shown(_value(given, path)), _at(schema, path)
    if kind == "string_type" and isinstance(_value(given, path), bool | int | float):
        return f"{value} is not text: put it in quotes"
    if isinstance(fault, ValueError):
        return f"{value} {fault}"
    if kind in _BEYOND and rule.get("type") == "string":
        limit, verb = _BEYOND[kind]
        return f"{value} {verb} {durations.name(detail['ctx'][limit])}"
    return f"{value} is not {allowed(rule, schema)}"


#: In a mapping of headers these are credentials; `x-team: growth` need not be a reference.
_CREDENTIAL = re.compile(r"auth|cookie|key|passw|secret|signature|token", re.IGNORECASE)


def of_names(given: Mapping[str, Any]) -> list[Problem]:
    """Destinations with the name of an earlier one, looked for where no other mistake hides them."""
    first: dict[str, int] = {}
    found = []
    destinations = given.get("destinations")
    for index, destination in enumerate(destinations if isinstance(destinations, list) else ()):
        name = plain(destination.get("name")) if isinstance(destination, dict) else None
        if isinstance(name, str) and first.setdefault(name, index) != index:
            text = f"{shown(destination['name'])} is already the name of destinations[{first[name]}]"
            found.append(Problem(("destinations", index, "name"), text))
    return found


def of_settings(connector: Connector, given: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a destination's settings, as its connector declares them."""
    declared = {setting.name: setting for setting in connector.declared}
    strange = [name for name in given if name not in declared]
    found: list[tuple[Path, str]] = [((name,), f"the key {unknown(name, declared)}") for name in strange]
    for name, setting in declared.items():
        if setting.secret and name in given:
            found += [((name, *path), BY_REFERENCE) for path in _literals(given[name], setting.shape)]
    said = {path[0] for path, _ in found}
    for problem in _refusals(connector, given):
        name, _, text = problem.partition(": ")
        if name not in declared and name not in said:
            found.append(((), _hidden(problem, secrets_in(given))))  # about several settings, or none
        elif name not in said and secrets_in(given.get(name)):
            # A value that came by reference is not quoted, even by a connector that takes it for no secret.
            text = f"{shown(given[name])} is not allowed; allowed: {declared[name].allowed}"
            found.append(((name,), text))
        elif name not in said:
            found.append(((name,), re.sub("^missing", "is missing", text)))
    return found


def _refusals(connector: Connector, given: Mapping[str, Any]) -> tuple[str, ...]:
    """What the connector says against these settings: `url: missing; ...`."""
    try:
        connector.bind(changed(given, plain))
    except SettingsError as error:
        return error.problems
    return ()


def _hidden(text: str, secrets: Iterable[Secret]) -> str:
    for secret in secrets:
        text = text.replace(secret.reveal(), secret.reference)
    return text


def _literals(value: Any, shape: Shape) -> list[Path]:
    """Where a secret is written out."""
    if isinstance(value, Secret):
        return []
    if isinstance(value, dict) and shape is Shape.MAP:
        credentials = {key: text for key, text in value.items() if _CREDENTIAL.search(key)}
        return [(key,) for key, text in credentials.items() if not isinstance(text, Secret)]
    if isinstance(value, list):
        return [(index,) for index, text in enumerate(value) if not isinstance(text, Secret)]
    return [()]


def allowed(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words: `a whole number from 1 to 1000`."""
    if "patternErrorMessage" in rule:
        return str(rule["patternErrorMessage"])
    if "enum" in rule or "const" in rule:
        return "one of " + ", ".join(map(str, rule.get("enum") or [rule.get("const")]))
    match rule.get("type"):
        case "integer":
            return "a whole number" + _range(rule)
        case "number":
            return "a number" + _range(rule)
        case "boolean":
            return "true or false"
        case "array":
            length = f" of at least {rule['minItems']}" if rule.get("minItems") else ""
            return f"a list{length}, each item {allowed(_step(rule, 0, schema), schema)}"
        case "object":
            keys = ", ".join(rule.get("properties", ()))
            return f"a mapping with the keys {keys}" if keys else "a mapping"
        case _:
            return "text"


def _range(rule: Mapping[str, Any]) -> str:
    low, high = (_short(rule.get(bound)) for bound in ("minimum", "maximum"))
    if low and high:
        return f" from {low} to {high}"
    return f" of at least {low}" if low else ""


def _short(bound: float | None) -> str:
    return "" if bound is None else str(int(bound) if bound == int(bound) else bound)


def _at(schema: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The rule for the value at this path; an empty one where the schema says nothing."""
    rule = _resolved(schema, schema)
    for step in path:
        rule = _step(rule, step, schema)
    return rule


def _step(rule: Mapping[str, Any], step: str | int, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = rule.get("items", {}) if isinstance(step, int) else rule.get("properties", {}).get(step, {})
    return _resolved(inner, schema)


def _resolved(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rule itself: behind a `$ref`, or the one that isn't `null` of an optional field."""
    for choice in rule.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved(choice, schema)
    if "$ref" in rule:
        return _resolved(schema["$defs"][rule["$ref"].rsplit("/", 1)[-1]], schema)
    return rule


def _value(given: Any, path: Path) -> Any:
    for step in path:
        try:
            given = given[step]
        except (KeyError, IndexError, TypeError):
            return None
    return given


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
