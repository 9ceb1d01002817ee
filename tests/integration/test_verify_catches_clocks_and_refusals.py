"""`distributary verify` finds who goes by a wall clock that is set, and who drops what a topic refuses."""

from dataclasses import replace

from streams.verify import faults
from streams.verify.result import Result
from tests.integration.plays import played

#: What a clock that was set back holds up is due in minutes, and is not waited for.
BACK = replace(*faults.chosen("clock-back"), seconds=4.0, drain_s=8.0)
[REFUSED] = faults.chosen("record-refused")


@played((BACK, "go-by-the-wall-clock"))
def test_a_wall_clock_that_is_believed_is_found(result: Result) -> None:
    assert not result.passed
    said = " ".join(result.failures)
    assert result.early > 0 or ("not settled" in said and "'waiting': {'" in said), said


@played((REFUSED, "forget-what-is-too-large"))
def test_what_is_too_large_and_forgotten_is_found(result: Result) -> None:
    assert result.lost > 0
    assert not result.passed
