"""`distributary verify` finds what workers do wrong with destinations that are away, or say too much."""

from dataclasses import replace
from pathlib import Path

import pytest

from streams.verify import faults
from streams.verify.faults.base import Scenario
from tests.broker import Broker
from tests.integration.test_verify_catches import played

OUTAGE, CERTIFICATE, ENDLESS = (
    replace(one, seconds=4.0)
    for name in ("outage", "bad-certificate", "endless-answers")
    for one in faults.chosen(name)
)


@pytest.mark.parametrize(
    ("scenario", "mutant", "words"),
    [
        (CERTIFICATE, "trust-anybody", "expected dead rejected, found delivered"),
        (OUTAGE, "take-refused-for-final", "at refusing: expected delivered, found dead rejected"),
        (ENDLESS, "keep-whole-bodies", "MB: more than"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_it_is_found(
    scenario: Scenario,
    mutant: str,
    words: str,
    broker: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = played(scenario, mutant, broker, tmp_path, monkeypatch)
    assert any(words in failure for failure in result.failures), result.failures
