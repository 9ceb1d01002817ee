"""`distributary verify` finds what workers do wrong with destinations that are away, or say too much."""

from dataclasses import replace

from streams.verify import faults
from streams.verify.result import Result
from tests.integration.plays import played

OUTAGE, CERTIFICATE, ENDLESS = (
    replace(one, seconds=4.0)
    for name in ("outage", "bad-certificate", "endless-answers")
    for one in faults.chosen(name)
)
#: Who sends bodies without an end, beside the healthy one; whoever is slow has nothing to do with memory.
BODIES = replace(ENDLESS, roles=tuple(role for role in ENDLESS.roles if role.name in ("steady", "bodies")))


def said(result: Result, *words: str) -> bool:
    return any(all(word in failure for word in words) for failure in result.failures)


@played((CERTIFICATE, "trust-anybody"))
def test_a_certificate_that_is_not_looked_at_is_found(result: Result) -> None:
    assert said(result, "expected dead rejected, found delivered"), result.failures


@played((OUTAGE, "take-refused-for-final"))
def test_a_refusal_that_is_taken_for_final_is_found(result: Result) -> None:
    assert said(result, "at refusing: expected ", "found dead rejected"), result.failures


@played((BODIES, "keep-whole-bodies"))
def test_an_answer_that_is_kept_whole_is_found(result: Result) -> None:
    assert said(result, "MB: more than"), result.failures
