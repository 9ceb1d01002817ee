"""Reads the YAML config file: safely, with the line of everything in it, and with its references replaced.

YAML 1.2's core schema, as editors have it: only `true` and `false` are booleans (`no` is text),
and there are no tags, no merge keys, no dates.

A reference is `${NAME}` for an environment variable or `${file:/path}` for a mounted file, anywhere
inside a text; `$${` is a plain `${`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from streams.config.fields import Path, Secret, Unresolved
from streams.config.problems import ConfigError, Problem, shown

#: Bytes. The largest configuration we know of has 300 destinations and 120 KiB.
LARGEST = 1024 * 1024
#: Values in a document, counted where aliases lead: "billion laughs" ends here.
MOST_VALUES = 100_000
#: A configuration is 6 deep.
DEEPEST = 20
#: Bytes of a file that holds one secret.
LARGEST_SECRET = 64 * 1024

_TAG = "tag:yaml.org,2002:"
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[^}]*)\}|\$\{")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Document:
    """What a config file says. A text that held a reference is a `Secret`."""

    #: The file's name, for messages.
    name: str
    data: Any = None
    #: Of each key, and of each item of a list.
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path) -> str:
        """`distributary.yaml:12`."""
        return f"{self.name}:{self.line(path)}"


def read(path: str | FilePath) -> str:
    """The text of a config file."""
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError([f"{path}: can't be read: {error.strerror}"]) from None
    if len(content) > LARGEST:
        raise ConfigError([f"{path}: is larger than {LARGEST} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start + 1})"]) from None


def parse(text: str, name: str, env: Mapping[str, str]) -> Document:
    """A document, with what is wrong inside it; ConfigError if it is not even YAML."""
    document = Document(name)
    root = _compose(text, name)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([f"{name}:1: must be a mapping with keys such as inbound and destinations"])
    document.data = _Reader(document, env).value(root, ())
    return document


class _Loader(yaml.SafeLoader):
    """Composes nodes with YAML 1.2's idea of which plain scalars are not text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to say it


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"^(?:{_pattern})$"), _first)


def _compose(text: str, name: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        hint = _hint(text.splitlines()[mark.line]) if mark and mark.line < len(text.splitlines()) else ""
        raise ConfigError([f"{name}{place}: is not valid YAML: {error.problem}{hint}"]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError([f"{name}:{line}: is not valid YAML: it holds a control character"]) from None
    except RecursionError:
        raise ConfigError([f"{name}: is nested too deeply"]) from None
    if root is None:
        raise ConfigError([f"{name}: is empty: it needs at least inbound and destinations"])
    return root


def _hint(line: str) -> str:
    if "\t" in line:
        return " (indent with spaces, not with tabs)"
    return ' (inside { } or [ ] a reference needs quotes: "${NAME}")' if "${" in line else ""


class _Reader:
    """Turns nodes into values, and notes where each stands."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env
        self._values = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > MOST_VALUES or len(path) > DEEPEST:
            excess = f"more than {MOST_VALUES} values" if len(path) <= DEEPEST else f"deeper than {DEEPEST}"
            raise ConfigError([f"{self._document.where(path)}: is {excess} (counted through its aliases)"])
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        match node.tag.removeprefix(_TAG), node:
            case "map", yaml.MappingNode():
                return self._mapping(node, path)
            case "seq", yaml.SequenceNode():
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            case ("str" | "null" | "bool" | "int" | "float") as kind, yaml.ScalarNode():
                return self._scalar(kind, node.value, path)
        return self._wrong(path, f"has a tag that is not allowed here: {shown(node.tag)}")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, f"has a key on line {key_node.start_mark.line + 1} that is not text")
                continue
            inner, line = (*path, key_node.value), key_node.start_mark.line + 1
            if key_node.value in values:
                self._wrong(inner, f"is given twice, the second time on line {line}")
                continue
            self._document.lines[inner] = line
            values[key_node.value] = self.value(value_node, inner)
        return values

    def _scalar(self, kind: str, text: str, path: Path) -> Any:
        try:
            match kind:
                case "str":
                    return self._text(text, path)
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case _:
                    return int(text) if kind == "int" else float(text)
        except ValueError:  # an explicit tag (`!!int many`), or more digits than Python reads
            return text

    def _text(self, text: str, path: Path) -> str | Secret:
        """The text itself, or with its references replaced."""
        parts: list[str] = []

        def replaced(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            parts.append(resolve(found["name"], self._env))
            return parts[-1]

        try:
            value = _REFERENCE.sub(replaced, text)
        except LookupError as fault:
            unresolved = Unresolved(text)
            self._wrong(path, f"{shown(unresolved)} {fault.args[0]}")
            return unresolved
        return Secret(value, text, parts) if parts else value

    def _wrong(self, path: Path, text: str) -> None:
        self._document.problems.append(Problem(path, text))


def resolve(name: str | None, env: Mapping[str, str]) -> str:
    """What `${name}` stands for. LookupError says why it stands for nothing; never what it holds."""
    if name is None:
        raise LookupError("has a ${ without its }: write $${ for a plain ${")
    if name.startswith("file:"):
        return _file(name.removeprefix("file:"))
    if not _VARIABLE.fullmatch(name):
        raise LookupError(f"is no reference: {shown(name)} is neither NAME nor file:/path")
    if name not in env:
        raise LookupError(f"refers to the environment variable {name}, which is not set")
    return _usable(env[name], f"the environment variable {name}")


def _file(path: str) -> str:
    if not path.startswith("/"):
        raise LookupError(f"refers to the file {shown(path)}: its path must be absolute")
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such path"
        raise LookupError(f"refers to the file {path}, which can't be read: {reason}") from None
    if len(content) > LARGEST_SECRET:
        raise LookupError(f"refers to the file {path}, which is larger than {LARGEST_SECRET} bytes")
    return _usable(content.decode("utf-8", "surrogateescape").rstrip("\r\n"), f"the file {path}")


def _usable(value: str, source: str) -> str:
    if not value:
        raise LookupError(f"refers to {source}, which is empty")
    if not value.isprintable() and any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise LookupError(f"refers to {source}, which is not UTF-8 text")
    return value
