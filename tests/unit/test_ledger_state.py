"""The ledger in a file: all of it comes back, or none."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.attempts import Outcome
from streams.flight import Partition
from streams.ledger import state
from streams.ledger.keeper import Ledger
from tests.unit.books import SOURCE, attempted, dead, redriven, routed


def ledger() -> Ledger:
    made = Ledger({"cluster": "c", "events": "id"}, cursors={Partition("attempts", 1): 7}, since_ms=5)
    routed(made.entries, 0, 1, 2, instants=[0, 61_000, 10**17], written_ms=3_600_000)
    routed(made.entries, 3, rule="types")
    routed(made.entries, 4, rule="not-json", to="")
    attempted(made.entries, 0, Outcome.DELIVERED, ambiguous=True)
    attempted(made.entries, 0, Outcome.DELIVERED)
    dead(made.entries, 1, at=4)
    redriven(made.entries, 2, at="dlq/0/9", replay="r")
    made.gaps.holes[SOURCE].add(9)
    made.gaps.lost[SOURCE] = {8: 1}
    return made


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    made = ledger()
    state.save(made, tmp_path / "state")

    found = state.load(tmp_path / "state")

    assert found == made
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_no_file_is_no_ledger(tmp_path: Path) -> None:
    assert state.load(tmp_path / "state") is None


@given(st.data())
def test_what_was_cut_off_or_changed_is_not_read(data: st.DataObject) -> None:
    content = state.dump(ledger())
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytes([content[at] ^ data.draw(st.integers(1, 255))])
    for wrong in (content[:at], content[:at] + changed + content[at + 1 :], content + b"x"):
        with pytest.raises(state.Unreadable):
            state.parse(wrong)


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state"
    state.save(ledger(), file)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.save(Ledger(), file)

    assert state.parse(file.read_bytes()) == ledger()
    assert [one.name for one in tmp_path.iterdir()] == ["state"]


def test_a_ledger_takes_the_place_of_a_ledger_only(tmp_path: Path) -> None:
    config, pipe, link = tmp_path / "distributary.yaml", tmp_path / "pipe", tmp_path / "link"
    config.write_text("inbound: {topic: events}")
    os.mkfifo(pipe)
    for file in (config, pipe, tmp_path):
        with pytest.raises(state.Foreign):
            state.save(ledger(), file)
    with pytest.raises(state.Foreign, match="It holds no ledger"):
        state.load(config)
    with pytest.raises(OSError, match="it is no file"):
        state.load(pipe)
    assert config.read_text() == "inbound: {topic: events}"
    link.symlink_to(tmp_path / "state")
    state.save(ledger(), link)
    assert link.is_symlink()
    assert state.load(tmp_path / "state") == ledger()
