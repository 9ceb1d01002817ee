"""Scripts: what should become of an event is known before it is sent."""

import pytest

from streams.retry import Policy
from streams.verify import cast, faults, script
from streams.verify.cast import CHOOSY, MOODY, STEADY, USUAL
from streams.verify.cluster import RETRY, TIMEOUT_S
from streams.verify.faults.base import Scenario
from streams.verify.script import Rules, Script

RULES = Rules(
    Policy.of(["300ms", "600ms", "1200ms"], ["300ms", "300ms", "600ms", "1200ms"], "30m", 0.15), TIMEOUT_S
)


@pytest.mark.parametrize(
    ("steps", "fate"),
    [
        ((200,), "delivered"),
        ((503, "reset", "close", {"status": 429, "retry_after": 1}, 204), "delivered"),
        ((503,), "dead exhausted"),
        (("hang",), "dead exhausted"),
        ((503, 503, 503, 503, 503, 200), "dead exhausted"),  # one more than the plan has
        ((503, 400), "dead rejected"),
        ((302,), "dead rejected"),
        (("status-99",), "dead rejected"),
        (("not-http",), "dead rejected"),
        ((401,), "dead credentials"),
        (({"status": 200, "after": 0.5},), "delivered"),
        (({"status": 200, "after": 2},), "dead exhausted"),  # beyond the timeout
        (({"status": 429, "retry_after": 86_400}, 200), "dead exhausted"),  # beyond the budget
        (({"status": 429, "retry_date": 1}, 200), "delivered"),
        (({"status": 429, "retry_date": 86_400}, 200), "dead exhausted"),
        (("slow-body",), "delivered"),  # its status stands
        (("gzip-bomb",), "delivered"),
        (("slow-head", 200), "delivered"),
        (("slow-head",), "dead exhausted"),
        (("endless-head",), "dead rejected"),
        (("redirect",), "dead rejected"),
    ],
)
def test_the_fate_follows_from_the_script(steps: Script, fate: str) -> None:
    assert script.fate(steps, RULES) == fate


def test_a_date_to_come_back_at_is_a_full_second_and_never_too_early() -> None:
    step = {"status": 429, "retry_date": 1}
    assert b"retry-after: Thu, 01 Jan 1970 00:16:42 GMT" in script.reply(step, 1000.25).wire
    assert script.retry_after_s(step, 1000.25) == 1.75
    assert script.retry_after_s(step) == 1.0  # at least, whenever it is given


def test_the_last_step_answers_all_that_come_after() -> None:
    assert [script.step((503, 200), arrival) for arrival in (1, 2, 3)] == [503, 200, 200]


@pytest.mark.parametrize("scenario", faults.SCENARIOS, ids=lambda one: one.name)
def test_no_crash_can_change_the_fate_of_an_event(scenario: Scenario) -> None:
    """However often attempts are repeated without being counted, and so steps are skipped."""
    for role in scenario.roles:
        for _, steps in role.answers:
            assert script.is_sound(steps, RULES), (role.name, steps)
            assert len({script.fate(steps[skipped:], RULES) for skipped in range(len(steps))}) == 1


@pytest.mark.parametrize("steps", [(400, 200), (200, 503), (*[503] * 5, 200)])
def test_a_script_whose_end_depends_on_repeats_is_not_sound(steps: Script) -> None:
    assert not script.is_sound(steps, RULES)


def test_the_same_seed_makes_the_same_events() -> None:
    made = [list(cast.events(USUAL, RULES, 50, seed)) for seed in ("1", "1", "2")]
    assert made[0] == made[1] != made[2]
    assert list(cast.events(USUAL, RULES, 20, "1")) == made[0][:20]


def test_an_event_carries_the_scripts_that_its_fates_are_of() -> None:
    for one in cast.events(USUAL, RULES, 300, "seed"):
        found = cast.scripts_of(one.event)
        for role in USUAL:
            kept_back = one.event["type"] not in role.types
            steps = found.get(role.name, script.UNSAID)
            expected = "filtered types" if kept_back else script.fate(steps, RULES)
            assert one.fates[role.name] == expected


def test_the_usual_events_come_to_every_end() -> None:
    planned = list(cast.events((STEADY, MOODY, CHOOSY), RULES, 600, "seed"))
    ends = {fate for one in planned for fate in one.fates.values()}
    assert ends == {
        "delivered", "dead rejected", "dead credentials", "dead exhausted", "filtered types"
    }  # fmt: skip
    assert RETRY["plan"] == [f"{step.ms}ms" for step in RULES.policy.plan]
