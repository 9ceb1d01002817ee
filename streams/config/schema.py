"""The JSON Schema of the config file, for editors; checked in as docs/distributary.schema.json.

Written anew by `python -m streams.config.schema > docs/distributary.schema.json`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import connectors
from streams.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Whatever else a value must be, it may also be a text with a reference in it.
REFERENCE = r"\$\{"


def generate(names: Iterable[str] | None = None) -> dict[str, Any]:
    """The schema, with the settings of these connectors (of all there are)."""
    schema = _open(Settings.model_json_schema())
    schema["$defs"]["Destination"]["allOf"] = [
        _settings_of(name) for name in (connectors.available() if names is None else names)
    ]
    return {"$schema": DIALECT, "title": "distributary.yaml", **schema}


def text(schema: Mapping[str, Any]) -> str:
    """As it is checked in."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _settings_of(name: str) -> dict[str, Any]:
    """If a destination has this connector, its settings look like this."""
    settings = connectors.load(name).schema()
    chosen = {"properties": {"connector": {"const": name}}, "required": ["connector"]}
    needed = {"required": ["settings"]} if settings["required"] else {}
    return {"if": chosen, "then": {"properties": {"settings": settings}, **needed}}


def _open(rule: Any) -> Any:
    """The same rule, but references are allowed; without what pydantic adds and no editor can use."""
    if isinstance(rule, list):
        return [_open(item) for item in rule]
    if not isinstance(rule, dict):
        return rule
    opened = {key: _open(value) for key, value in _said(rule).items()}
    if opened.get("type") in ("integer", "number", "boolean"):
        return {**opened, "type": [opened["type"], "string"], "pattern": REFERENCE}
    pattern = opened.get("pattern")
    if isinstance(pattern, str) and REFERENCE not in pattern:
        return {**opened, "pattern": f"({pattern})|{REFERENCE}"}
    return opened


def _said(rule: dict[str, Any]) -> dict[str, Any]:
    """Without titles made of names, the null of what may be left out, and the defaults of whole sections."""
    said = {key: value for key, value in rule.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(said.get("default"), dict) or said.get("default", "") is None:
        del said["default"]
    match said.get("anyOf"):
        case [choice, {"type": "null"}]:
            del said["anyOf"]
            said = {**choice, **said}
    return said


if __name__ == "__main__":
    sys.stdout.write(text(generate()))
