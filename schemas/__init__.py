"""The Avro schemas of everything Distributary reads and writes, as text. The rule is in README.md.

`event.avsc` is what producers write; `attempts.avsc` and `routed.avsc` are what the workers record, and
`attempt.avsc` is what they recorded before.
Every version that was ever published stays in `history/`, so that a reader knows every fingerprint.
"""

from importlib import resources

_FILES = resources.files(__name__)

#: The published schemas.
NAMES = ("attempt", "attempts", "event", "routed")


def current(name: str) -> str:
    """The schema that is written today, as JSON text; `name` is one of NAMES."""
    return (_FILES / f"{name}.avsc").read_text("utf-8")


def history(name: str) -> list[str]:
    """Every published version as JSON text, oldest first; the last is the current one."""
    versions = {}
    for file in (_FILES / "history").iterdir():
        stem, _, version = file.name.removesuffix(".avsc").rpartition(".v")
        if stem == name:
            versions[int(version)] = file
    return [versions[number].read_text("utf-8") for number in sorted(versions)]
