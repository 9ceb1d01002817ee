"""The decision, first by example (the default plan, as people know it), then by its laws."""

from dataclasses import dataclass, replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.answers import Outcome
from streams import retry
from streams.headers import Source, Tracking
from streams.retry import Dead, Decision, Deliver, Delivered, Policy, Reason, Retry, Tier, Wait

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
T0 = 1_760_000_000_000
DEFAULT = Policy.default()
FRESH = Tracking("crm-hook", "evt-1", Source("events", 3, 1234))


def decide(
    tracking: Tracking = FRESH,
    outcome: Outcome = Outcome.RETRY,
    *,
    policy: Policy = DEFAULT,
    code: str = "503",
    ambiguous: bool = False,
    retry_after_s: float | None = None,
    started_ms: int = T0,
    now_ms: int | None = None,
    roll: float = 0.0,
) -> Decision:
    return retry.decide(
        policy, tracking, outcome, code=code, ambiguous=ambiguous, retry_after_s=retry_after_s,
        started_ms=started_ms, now_ms=started_ms if now_ms is None else now_ms, roll=roll,
    )  # fmt: skip


def retried(decision: Decision) -> Retry:
    assert isinstance(decision, Retry)
    return decision


def failed(attempt: int, left_ms: int, first_ms: int = T0 - 2 * HOUR) -> Tracking:
    """An event that failed so many times and has so much left of its budget at T0."""
    return FRESH._replace(attempt=attempt, first_attempt_ms=first_ms, deadline_ms=T0 + left_ms)


def attempts_of_a_dead_destination(policy: Policy, roll: float) -> list[int]:
    """When each attempt starts, if every one fails at once and none is late; ms after the first."""
    starts, tracking, now = [0], FRESH, T0
    while isinstance(decision := decide(tracking, policy=policy, started_ms=now, roll=roll), Retry):
        tracking, now = decision.tracking, decision.not_before_ms
        starts.append(now - T0)
    assert isinstance(decision, Dead)
    assert decision.reason is Reason.EXHAUSTED
    return starts


# --- by example -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "tier", "earliest_min", "latest_min"),
    [
        # after this attempt it waits in the tier; the attempt itself starts between these minutes
        (1, "1m", 0, 0),
        (2, "1m", 1, 1.15),
        (3, "1m", 2, 2.3),
        (4, "10m", 3, 3.45),
        (5, "10m", 13, 14.95),
        (6, "10m", 23, 26.45),
        (7, "1h", 33, 37.95),
        (8, "1h", 93, 106.95),
        (9, "1h", 153, 175.95),
        (10, None, 213, 240),  # 3 h 33 min at the earliest; jitter gives way to the budget of 4 h
    ],
)
def test_the_default_plan(attempt: int, tier: str | None, earliest_min: float, latest_min: float) -> None:
    earliest, latest = (attempts_of_a_dead_destination(DEFAULT, roll) for roll in (0.0, 0.999999))

    assert earliest[attempt - 1] == earliest_min * MINUTE
    assert latest[attempt - 1] == pytest.approx(latest_min * MINUTE, abs=SECOND)
    assert latest[attempt - 1] <= latest_min * MINUTE
    assert [step.name for step in DEFAULT.plan][attempt - 1 : attempt] == ([tier] if tier else [])


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.999999])
def test_the_default_plan_is_ten_attempts(roll: float) -> None:
    assert len(attempts_of_a_dead_destination(DEFAULT, roll)) == 10


def test_the_first_attempt_starts_the_budget() -> None:
    decision = retried(decide(started_ms=T0, now_ms=T0 + 10 * SECOND))

    assert decision.tracking == FRESH._replace(
        attempt=1, first_attempt_ms=T0, deadline_ms=T0 + 4 * HOUR, tier="1m", last_error="503",
        due_ms=T0 + 70 * SECOND, not_before_ms=T0 + 70 * SECOND,
    )  # fmt: skip
    assert (decision.tier.name, decision.due_ms) == ("1m", T0 + 70 * SECOND)


def test_later_attempts_leave_the_deadline_alone() -> None:
    second = decide(failed(1, left_ms=HOUR), started_ms=T0)

    assert second.tracking.deadline_ms == T0 + HOUR
    assert second.tracking.attempt == 2


def test_a_delivered_event_counts_its_attempt_and_waits_for_nothing() -> None:
    waited = failed(2, left_ms=HOUR)._replace(not_before_ms=T0, due_ms=T0, tier="1m", last_error="503")

    decision = decide(waited, Outcome.DELIVERED, code="200")

    assert decision == Delivered(failed(3, left_ms=HOUR)._replace(last_error="503"))


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.REJECTED, Reason.REJECTED), (Outcome.CREDENTIALS, Reason.CREDENTIALS)],
)
def test_what_retrying_cannot_help_is_dead_at_once(outcome: Outcome, reason: Reason) -> None:
    decision = decide(outcome=outcome, code="400")

    assert isinstance(decision, Dead)
    assert (decision.reason, decision.error) == (reason, "400")
    assert (decision.tracking.attempt, decision.tracking.last_error) == (1, "400")


def test_an_event_that_cannot_be_mapped_was_never_attempted() -> None:
    waited = failed(2, left_ms=HOUR)._replace(not_before_ms=T0, due_ms=T0, tier="1m")

    decision = decide(waited, Outcome.UNMAPPABLE, code="UNMAPPABLE")

    assert decision == Dead(Reason.UNMAPPABLE, "UNMAPPABLE", failed(2, left_ms=HOUR))


def test_ambiguous_failures_are_counted() -> None:
    once = decide(ambiguous=True).tracking
    twice = decide(once, ambiguous=True).tracking
    delivered = decide(twice, Outcome.DELIVERED, ambiguous=True).tracking

    assert (once.maybe_delivered, twice.maybe_delivered, delivered.maybe_delivered) == (1, 2, 2)


@pytest.mark.parametrize(
    ("retry_after_s", "tier", "due_s", "not_before_s"),
    [
        (0, "1m", 60, 60),
        (59.9, "1m", 60, 60),  # never earlier than the tier
        (60.0004, "1m", 60.001, 60.001),  # nor than Retry-After, to the millisecond
        (69, "1m", 69, 69),  # what jitter could have asked for is one pass
        (70, "1m", 60, 70),  # more is a full pass and then another
        (599, "1m", 60, 599),
        (600, "10m", 600, 600),
        (7200, "1h", 3600, 7200),
        (4 * 3600, "1h", 3600, 4 * 3600),  # exactly at the deadline
    ],
)
def test_retry_after_is_honoured_by_passing_through_tiers(
    retry_after_s: float, tier: str, due_s: float, not_before_s: float
) -> None:
    decision = retried(decide(retry_after_s=retry_after_s))

    assert decision.tier.name == tier
    assert decision.due_ms == T0 + due_s * SECOND
    assert decision.not_before_ms == T0 + not_before_s * SECOND


@pytest.mark.parametrize(
    ("attempt", "left_ms", "retry_after_s", "why"),
    [
        (0, 4 * HOUR, 4 * 3600 + 0.001, "Retry-After lies beyond the deadline"),
        (9, 4 * HOUR, None, "ten attempts: the plan is spent"),
        (200, 4 * HOUR, None, "more attempts than any plan, put there by hand"),
        (5, MINUTE - 1, None, "the shortest tier does not fit any more"),
        (5, 0, None, "the deadline is now"),
        (5, -HOUR, None, "the deadline passed while it was queued; this was the attempt it was owed"),
    ],
)
def test_an_event_is_exhausted_when(
    attempt: int, left_ms: int, retry_after_s: float | None, why: str
) -> None:
    decision = decide(failed(attempt, left_ms), retry_after_s=retry_after_s)

    assert isinstance(decision, Dead), why
    assert (decision.reason, decision.error) == (Reason.EXHAUSTED, "503")
    assert decision.tracking.attempt == attempt + 1


@pytest.mark.parametrize(
    ("left_min", "tier", "wait_min"),
    [
        (120, "1h", 64.5),  # as planned: an hour and half of the 15 % jitter
        (64.5, "1h", 64.5),
        (63, "1h", 63),  # fits without its jitter: placed at the deadline
        (60, "1h", 60),
        (59, "10m", 10.75),  # doesn't fit: the longest tier that does
        (10, "10m", 10),
        (9, "1m", 1.075),
        (1, "1m", 1),
    ],
)
def test_the_last_attempt_is_placed_inside_the_budget(left_min: float, tier: str, wait_min: float) -> None:
    decision = retried(decide(failed(7, int(left_min * MINUTE)), roll=0.5))

    assert decision.tier.name == tier
    assert decision.not_before_ms == decision.due_ms == T0 + int(wait_min * MINUTE)


def test_jitter_does_not_move_a_record_into_the_next_tier() -> None:
    # Given tiers so close that one with its jitter reaches beyond the next
    policy = Policy.of(["10s", "11s"], ["10s"], "1h", jitter=0.5)

    decision = retried(decide(policy=policy, roll=0.5))

    assert (decision.tier.name, decision.due_ms) == ("10s", T0 + 12_500)


def test_a_late_attempt_is_still_owed_and_may_deliver() -> None:
    # Given a record that was parked until long after its deadline
    parked = failed(3, left_ms=-24 * HOUR)

    assert isinstance(retry.release(DEFAULT, parked._replace(not_before_ms=T0 - 25 * HOUR), T0), Deliver)
    assert isinstance(decide(parked, Outcome.DELIVERED), Delivered)


def test_a_first_attempt_has_its_whole_budget_however_late_it_starts() -> None:
    assert isinstance(decide(FRESH, started_ms=T0 + 1000 * HOUR), Retry)


def test_a_clock_set_back_does_not_lengthen_the_budget() -> None:
    # Given a first attempt on a worker whose clock was a day ahead
    ahead = failed(1, left_ms=28 * HOUR, first_ms=T0 + 24 * HOUR)

    assert isinstance(decide(ahead, retry_after_s=5 * 3600), Dead)
    assert retried(decide(ahead)).not_before_ms == T0 + MINUTE


@pytest.mark.parametrize(
    ("left_s", "tier", "due_s"),
    [
        (30, "1m", 30),  # shorter than every tier: the shortest, and not longer than needed
        (60, "1m", 60),
        (69, "1m", 69),
        (70, "1m", 60),
        (650, "10m", 650),
        (3000, "10m", 600),
        (100_000, "1h", 3600),
    ],
)
def test_what_is_not_yet_allowed_out_takes_another_pass(left_s: int, tier: str, due_s: int) -> None:
    waiting = FRESH._replace(attempt=1, not_before_ms=T0 + left_s * SECOND, due_ms=T0, tier="1h")

    wait = retry.release(DEFAULT, waiting, T0)

    due_ms = T0 + due_s * SECOND
    assert wait == Wait(Tier.of(tier), due_ms, waiting._replace(due_ms=due_ms, tier=tier))


def test_what_has_waited_long_enough_goes_back_to_deliver_and_keeps_when_it_was_due() -> None:
    waiting = FRESH._replace(attempt=1, not_before_ms=T0, due_ms=T0, tier="1m")

    assert retry.release(DEFAULT, waiting, T0) == Deliver(FRESH._replace(attempt=1, not_before_ms=T0))
    assert isinstance(retry.release(DEFAULT, waiting, T0 - 1), Wait)


def test_a_record_put_into_a_delay_topic_by_hand_without_any_time_goes_on() -> None:
    assert retry.release(DEFAULT, FRESH, T0) == Deliver(FRESH)


def test_the_default_policy_is_the_config_files() -> None:
    tiers, plan = ["1m", "10m", "1h"], ["60s", "1m", "1m", "10m", "600s", "10m", "1h", "60m", "1h"]

    assert Policy.of(tiers, plan, "4h", 0.15) == DEFAULT


@pytest.mark.parametrize(
    ("tiers", "plan", "jitter", "why"),
    [
        ([], [], 0, "tiers: (none)"),
        (["10m", "1m"], [], 0, "tiers: 10m, 1m must be delays, each longer than the one before"),
        (["1m", "60s"], [], 0, "tiers: 1m, 1m"),
        (["0s", "1m"], [], 0, "tiers: 0s, 1m"),
        (["1m"], ["1m", "5m"], 0, "plan: 5m is none of the tiers 1m"),
        (["1m"], [], 1.5, "jitter: 1.5 must be from 0 to 1"),
        (["1m"], [], float("nan"), "jitter: nan"),
        (["1x"], [], 0, "'1x' is not a duration"),
    ],
)
def test_a_policy_that_cannot_work_says_why(
    tiers: list[str], plan: list[str], jitter: float, why: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        Policy.of(tiers, plan, "4h", jitter)

    assert why in str(refusal.value)


@pytest.mark.parametrize("budget_s", [-1, float("nan"), float("inf")])
def test_a_budget_is_a_length_of_time(budget_s: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        replace(DEFAULT, budget_s=budget_s)


@pytest.mark.parametrize("policy", [replace(DEFAULT, plan=()), replace(DEFAULT, budget_s=0)])
def test_without_a_plan_or_a_budget_there_is_one_attempt(policy: Policy) -> None:
    assert attempts_of_a_dead_destination(policy, 0.5) == [0]


# --- by law ---------------------------------------------------------------------------------------

rolls = st.floats(0, 1, exclude_max=True)
waits = st.none() | st.floats(0, 86_400)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """One to four tiers between a millisecond and hours, any plan over them, any budget."""
    gaps = draw(st.lists(st.integers(1, 2 * HOUR), min_size=1, max_size=4))
    tiers = tuple(Tier(f"{ms}ms", ms / SECOND) for ms in accumulate(gaps))
    plan = tuple(draw(st.lists(st.sampled_from(tiers), max_size=8)))
    return Policy(tiers, plan, draw(st.floats(0, 20_000)), draw(st.floats(0, 1)))


@st.composite
def failures(draw: st.DrawFn) -> tuple[Policy, Tracking, int]:
    """A policy, an event that has failed some attempts of its plan, and the time of the next."""
    policy = draw(policies() | st.just(DEFAULT))
    budget_ms = retry._ms(policy.budget_s)
    first_ms = draw(st.none() | st.integers(T0 - 30 * HOUR, T0 + 30 * HOUR))
    attempt = draw(st.integers(0, len(policy.plan) + 1)) if first_ms is not None else 0
    deadline_ms = None if first_ms is None else first_ms + budget_ms
    tracking = FRESH._replace(attempt=attempt, first_attempt_ms=first_ms, deadline_ms=deadline_ms)
    return policy, tracking, draw(st.integers(T0 - HOUR, T0 + HOUR))


@given(failures(), st.integers(-HOUR, HOUR), waits, rolls)
def test_every_wait_keeps_the_rules(
    failure: tuple[Policy, Tracking, int], took_ms: int, retry_after_s: float | None, roll: float
) -> None:
    policy, tracking, started = failure
    now = started + took_ms  # negative when the clock was set back meanwhile

    decision = decide(
        tracking, policy=policy, retry_after_s=retry_after_s, started_ms=started, now_ms=now, roll=roll
    )

    after = decision.tracking
    assert after.attempt == tracking.attempt + 1 <= len(policy.plan) + 2
    assert after.deadline_ms is not None
    left = min(after.deadline_ms - now, policy.budget_s * SECOND + 1)
    asked = (retry_after_s or 0) * SECOND
    fitting = [tier for tier in policy.tiers if tier.ms <= left]
    if isinstance(decision, Dead):
        assert after.attempt > len(policy.plan) or not fitting or asked > left - 2
        return
    wait = retried(decision).not_before_ms - now
    planned = policy.plan[after.attempt - 1]
    used = planned if planned in fitting else fitting[-1]  # never another tier while the planned one fits
    assert used.ms <= planned.ms
    assert wait >= used.ms
    assert wait >= asked - 1e-5  # float dust below a nanosecond
    assert wait <= max(used.ms * (1 + policy.jitter), asked) + 1
    assert now + wait <= after.deadline_ms


@given(failures(), waits, rolls)
def test_every_pass_ends_in_its_tier_and_not_after_the_wait(
    failure: tuple[Policy, Tracking, int], retry_after_s: float | None, roll: float
) -> None:
    policy, tracking, now = failure

    decision = decide(tracking, policy=policy, retry_after_s=retry_after_s, started_ms=now, roll=roll)

    if isinstance(decision, Retry):
        assert decision.due_ms <= decision.not_before_ms
        assert decision.tier in policy.tiers
        lasts = decision.due_ms - now
        assert decision.tier.ms <= lasts <= decision.tier.ms * (1 + policy.jitter) + 1
        assert decision.tracking.tier == decision.tier.name
        assert decision.tracking.due_ms == decision.due_ms
        assert decision.tracking.not_before_ms == decision.not_before_ms


@given(policies(), st.integers(-10, 3 * HOUR))
def test_a_punctual_release_never_frees_early_and_comes_to_an_end(policy: Policy, left_ms: int) -> None:
    tracking, now, passes = FRESH._replace(not_before_ms=T0 + left_ms), T0, 0

    # When each pass is released exactly when due (bounded: a tier of 1 ms needs many)
    while passes < 50 and isinstance(step := retry.release(policy, tracking, now), Wait):
        assert now < step.due_ms <= T0 + left_ms
        longest = max((tier.ms for tier in policy.tiers if tier.ms <= T0 + left_ms - now), default=None)
        assert step.tier.ms == (longest or policy.tiers[0].ms)
        tracking, now, passes = step.tracking, step.due_ms, passes + 1

    assert passes <= max(0, left_ms) // policy.tiers[0].ms + 1
    assert (now >= T0 + left_ms) == isinstance(retry.release(policy, tracking, now), Deliver)


@dataclass
class Life:
    """What happened to one event: when each attempt was judged, what was planned, and the end."""

    judged: list[int]
    plans: list[Retry]
    end: Decision


@st.composite
def lives(draw: st.DrawFn) -> tuple[Policy, Life]:
    """A whole life: random answers, slow attempts, lateness up to days, clocks set forth and back."""
    policy = draw(policies() | st.just(DEFAULT))
    jumps = draw(st.sampled_from([(0, 0), (0, 26 * HOUR), (-2 * HOUR, 2 * HOUR)]))
    outcomes = st.sampled_from([Outcome.RETRY] * 12 + list(Outcome))
    tracking, now, life = FRESH, T0, Life([], [], Delivered(FRESH))
    for _ in range(len(policy.plan) + 2):
        started, now = now, now + draw(st.integers(*jumps)) + draw(st.integers(0, 10 * SECOND))
        life.judged.append(now)
        life.end = decide(
            tracking, draw(outcomes), policy=policy, ambiguous=draw(st.booleans()),
            retry_after_s=draw(st.sampled_from([None, None, 0.1, 90.0, 5000.0, 86_400.0])),
            started_ms=started, now_ms=now, roll=draw(rolls),
        )  # fmt: skip
        if not isinstance(life.end, Retry):
            break
        life.plans.append(life.end)
        tracking, now = life.end.tracking, life.end.not_before_ms + draw(st.integers(0, max(0, jumps[1])))
    return policy, life


@given(lives())
def test_every_life_ends_within_its_plan(policy_and_life: tuple[Policy, Life]) -> None:
    policy, life = policy_and_life

    assert not isinstance(life.end, Retry)
    assert len(life.judged) <= len(policy.plan) + 1
    assert life.end.tracking.attempt in (len(life.judged), len(life.judged) - 1)  # unmappable: not attempted
    assert life.end.tracking.maybe_delivered <= len(life.judged)
    assert (life.end.tracking.tier, life.end.tracking.due_ms) == (None, None)


@given(lives())
def test_no_attempt_is_planned_after_the_deadline_nor_any_after_one_that_failed_there(
    policy_and_life: tuple[Policy, Life],
) -> None:
    _, life = policy_and_life
    deadline = life.end.tracking.deadline_ms

    for judged, plan in zip(life.judged, life.plans, strict=False):
        assert deadline is not None
        assert judged < plan.not_before_ms <= deadline  # judged after the deadline, it would be dead
        assert plan.tracking.deadline_ms == deadline


@given(lives())
def test_identity_and_source_never_change(policy_and_life: tuple[Policy, Life]) -> None:
    _, life = policy_and_life

    for decision in (*life.plans, life.end):
        tracking = decision.tracking
        assert (tracking.destination, tracking.event_id, tracking.source) == (
            FRESH.destination, FRESH.event_id, FRESH.source,
        )  # fmt: skip
