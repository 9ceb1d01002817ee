"""`distributary verify` finds who goes by a wall clock that is set, and who drops what a topic refuses."""

from pathlib import Path

import pytest

from streams.verify import faults
from tests.broker import Broker
from tests.integration.test_verify_catches import played

[BACK] = faults.chosen("clock-back")
[REFUSED] = faults.chosen("record-refused")


def test_a_wall_clock_that_is_believed_is_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(BACK, "go-by-the-wall-clock", broker, tmp_path, monkeypatch)
    assert not result.passed
    assert result.early > 0 or "not settled" in " ".join(result.failures)


def test_what_is_too_large_and_forgotten_is_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(REFUSED, "forget-what-is-too-large", broker, tmp_path, monkeypatch)
    assert result.lost > 0
    assert not result.passed
