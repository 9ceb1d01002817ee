"""The published schemas: what Apache's library makes of them, and the rule in schemas/README.md."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from fastavro.utils import generate_one

import schemas
from streams.decoding import datum, event
from tests.unit import referee

EVERY = pytest.mark.parametrize("name", schemas.NAMES)


def field(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "type": "string", **more}


def record(*fields: dict[str, object]) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": fields})


def agree(one: str, other: str) -> bool:
    """Whether data of each can be read by the other, in the eyes of both libraries."""
    by_apache = referee.can_read(one, other) and referee.can_read(other, one)
    return by_apache and resolves(one, other) and resolves(other, one)


def resolves(reader: str, writer: str) -> bool:
    """Whether fastavro reads a made-up datum of the writer in the reader's shape."""
    writing, reading = datum.parse(writer), datum.parse(reader)
    made_up = generate_one(writing.parsed)
    try:
        writing.read(writing.write(made_up), 0, reading)
    except Exception:
        return False
    return True


@EVERY
def test_the_current_schema_is_the_last_of_its_history(name: str) -> None:
    assert schemas.current(name) == schemas.history(name)[-1]


@EVERY
def test_every_version_and_every_later_one_can_read_each_other(name: str) -> None:
    for earlier, later in combinations(schemas.history(name), 2):
        assert agree(earlier, later)
    assert agree(schemas.current(name), schemas.current(name))


@EVERY
def test_every_version_has_a_fingerprint_of_its_own(name: str) -> None:
    assert len(datum.published(name)) == len(schemas.history(name))


@EVERY
def test_both_libraries_compute_the_same_fingerprint(name: str) -> None:
    for text in schemas.history(name):
        ours = fingerprint(to_parsing_canonical_form(json.loads(text)), "CRC-64-AVRO")
        assert bytes.fromhex(ours) == referee.fingerprint(text) == datum.parse(text).fingerprint


def test_the_rule_is_checked_by_something_that_notices() -> None:
    base = record(field("a"))
    assert agree(base, record(field("a"), field("b", default="")))
    # The old reader finds no value for b, or the new one.
    assert not agree(base, record(field("b", default="")))
    assert not agree(base, record(field("a"), field("b")))
    assert not agree(base, record(field("a", type="int")))


def test_a_symbol_more_is_not_readable_by_earlier_versions() -> None:
    def enum(*symbols: str) -> str:
        return record(field("a", type={"type": "enum", "name": "E", "symbols": symbols}))

    assert not referee.can_read(enum("x"), enum("x", "y"))


def test_history_is_in_the_order_of_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "history").mkdir()
    for number in (1, 2, 10):
        (tmp_path / "history" / f"event.v{number}.avsc").write_text(str(number), "utf-8")
    (tmp_path / "history" / "attempt.v1.avsc").write_text("another", "utf-8")
    monkeypatch.setattr(schemas, "_FILES", tmp_path)

    assert schemas.history("event") == ["1", "2", "10"]


def test_the_event_holds_as_json_text_what_the_codec_reads_as_json_text() -> None:
    fields = json.loads(schemas.current("event"))["fields"]
    assert [one["name"] for one in fields if "contentMediaType" in one] == [*event.FREE_FORM, "extra"]


def test_the_event_has_the_six_types_of_the_common_spec() -> None:
    kind = json.loads(schemas.current("event"))["fields"][0]
    assert set(kind["type"]["symbols"]) == event.TYPES
