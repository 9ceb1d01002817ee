"""What follows from one attempt, decided purely: no clock, no chance, no I/O of its own.

With the default policy, for a destination that answers every attempt with 503 at once:

| attempt | at the earliest | at the latest | then waits in         |
|---------|-----------------|---------------|-----------------------|
| 1       | 0               | 0             | 1m                    |
| 2 - 4   | 1, 2, 3 min     | + 15 %        | 1m, 1m, 10m           |
| 5 - 7   | 13, 23, 33 min  | + 15 %        | 10m, 10m, 1h          |
| 8, 9    | 1 h 33, 2 h 33  | + 15 %        | 1h                    |
| 10      | 3 h 33 min      | 4 h           | nowhere: exhausted    |

Jitter spreads what failed together. It only ever adds: a wait is never shorter than its tier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, isfinite

from connectors.answers import Outcome
from streams import durations
from streams.headers import Tracking


class Reason(StrEnum):
    """Why a record ended in the dlq: the word in its ``distributary.reason`` header."""

    #: The destination answered that it will never take this request.
    REJECTED = "rejected"
    #: The destination refused our credentials (401, 403).
    CREDENTIALS = "credentials"
    #: The connector can't make a request from this event; none was sent.
    UNMAPPABLE = "unmappable"
    #: Every attempt failed, and the plan or the budget is spent.
    EXHAUSTED = "exhausted"
    #: The inbound bytes are no event in any format we read. Said by the route, never by an attempt.
    UNDECODABLE = "undecodable"
    #: A record on a topic of ours has headers that make no sense: somebody put it there by hand.
    MALFORMED = "malformed"
    #: The broker refuses the record: too large for the topic it should go to next.
    TOO_LARGE = "too-large"
    #: Its destination was taken out of the config while it waited.
    NO_DESTINATION = "no-destination"


@dataclass(frozen=True, slots=True)
class Tier:
    """One fixed delay, one topic: ``delay.<name>``."""

    name: str
    seconds: float

    @classmethod
    def of(cls, text: str) -> "Tier":
        """The tier of a written duration: ``60s`` and ``1m`` are the same one, named ``1m``."""
        seconds = durations.parse(text)
        return cls(durations.name(seconds), seconds)

    @property
    def ms(self) -> int:
        return _ms(self.seconds)


@dataclass(frozen=True, slots=True)
class Policy:
    """When to try again. ValueError says what is wrong with one that can't work."""

    #: All delays there are, ascending.
    tiers: tuple[Tier, ...]
    #: The wait after the first, second, ... failure. As many retries as there are steps; may be empty.
    plan: tuple[Tier, ...]
    #: From the start of the first attempt, seconds: no attempt is planned for later.
    budget_s: float
    #: At most this share of a tier is added to each wait in it, 0 to 1.
    jitter: float

    def __post_init__(self) -> None:
        lengths = [tier.ms for tier in self.tiers]
        if not lengths or lengths[0] < 1 or lengths != sorted(set(lengths)):
            raise ValueError(f"tiers: {_names(self.tiers)} must be delays, each longer than the one before")
        for step in self.plan:
            if step not in self.tiers:
                raise ValueError(f"plan: {step.name} is none of the tiers {_names(self.tiers)}")
        if not (isfinite(self.budget_s) and self.budget_s >= 0):
            raise ValueError(f"budget: {self.budget_s} s must be zero or more seconds")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter: {self.jitter} must be from 0 to 1")

    @classmethod
    def of(cls, tiers: Sequence[str], plan: Sequence[str], budget: str, jitter: float) -> "Policy":
        """A policy as the config file writes it."""
        steps = tuple(map(Tier.of, plan))
        return cls(tuple(map(Tier.of, tiers)), steps, durations.parse(budget), jitter)

    @classmethod
    def default(cls) -> "Policy":
        """Ten attempts in 3 h 33 min plus jitter, all within 4 h."""
        tiers = ("1m", "10m", "1h")
        return cls.of(tiers, [tier for tier in tiers for _ in range(3)], "4h", 0.15)


@dataclass(slots=True, init=False)  # one is made of every event: mypyc compiles no __init__ of dataclasses
class Delivered:
    """The destination has it."""

    tracking: Tracking

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking


@dataclass(frozen=True, slots=True)
class Retry:
    """Wait in ``delay.<tier>`` until ``due_ms``, then ask ``release``; no attempt before not_before_ms."""

    tier: Tier
    due_ms: int
    not_before_ms: int
    #: To be written in the headers, like that of every decision.
    tracking: Tracking


@dataclass(frozen=True, slots=True)
class Dead:
    """To the dlq. ``error`` is the code of the answer that ended it."""

    reason: Reason
    error: str
    tracking: Tracking


Decision = Delivered | Retry | Dead


@dataclass(frozen=True, slots=True)
class Deliver:
    """The wait is over: back to ``deliver.<destination>``."""

    tracking: Tracking


@dataclass(frozen=True, slots=True)
class Wait:
    """Another pass, in ``delay.<tier>`` until ``due_ms``."""

    tier: Tier
    due_ms: int
    tracking: Tracking


_FINAL = {Outcome.CREDENTIALS: Reason.CREDENTIALS, Outcome.REJECTED: Reason.REJECTED}


def decide(
    policy: Policy,
    tracking: Tracking,
    outcome: Outcome,
    *,
    code: str,
    ambiguous: bool,
    retry_after_s: float | None,
    started_ms: int,
    now_ms: int,
    roll: float,
) -> Decision:
    """What follows from an attempt that began at ``started_ms`` and has just ended, at ``now_ms``.

    ``code``, ``ambiguous`` and ``retry_after_s`` are the answer's; ``roll`` is a random number
    in [0, 1) that places the wait within the jitter. An event that could not be mapped was not
    attempted and is not counted as such.
    """
    if outcome is Outcome.DELIVERED:
        return delivered(policy, tracking, started_ms)
    if outcome is Outcome.UNMAPPABLE:
        return Dead(Reason.UNMAPPABLE, code, tracking._replace(tier=None, due_ms=None, not_before_ms=None))
    attempted = _attempted(policy, tracking, started_ms)
    failed = attempted._replace(last_error=code, maybe_delivered=attempted.maybe_delivered + ambiguous)
    if outcome is not Outcome.RETRY:
        return Dead(_FINAL[outcome], code, failed)
    return _again(policy, failed, retry_after_s or 0.0, now_ms, roll) or Dead(Reason.EXHAUSTED, code, failed)


def delivered(policy: Policy, tracking: Tracking, started_ms: int) -> Delivered:
    """What follows where the destination has it."""
    return Delivered(_attempted(policy, tracking, started_ms))


def release(policy: Policy, tracking: Tracking, now_ms: int) -> Deliver | Wait:
    """Where a record goes whose pass through a delay tier is due.

    Asked too early, or after a clock was set back, the answer is another pass: never an early attempt.
    """
    left_ms = (tracking.not_before_ms or 0) - now_ms
    if left_ms <= 0:
        return Deliver(tracking._replace(tier=None, due_ms=None))
    tier = _longest(policy.tiers, left_ms) or policy.tiers[0]
    due_ms = _due(policy, tier, left_ms, now_ms)
    return Wait(tier, due_ms, tracking._replace(tier=tier.name, due_ms=due_ms))


def _attempted(policy: Policy, tracking: Tracking, started_ms: int) -> Tracking:
    """One attempt more, waiting for nothing; the first starts the budget."""
    first_ms = started_ms if tracking.first_attempt_ms is None else tracking.first_attempt_ms
    deadline_ms = first_ms + _ms(policy.budget_s) if tracking.deadline_ms is None else tracking.deadline_ms
    # As _replace, which takes four times as long: attempted, not_before, due and tier are new.
    new = (tracking.attempt + 1, first_ms, deadline_ms, None, None, None)
    return tuple.__new__(Tracking, tracking[:3] + new + tracking[9:])


def _again(policy: Policy, failed: Tracking, retry_after_s: float, now_ms: int, roll: float) -> Retry | None:
    """The next wait, or None when the plan is spent or no wait fits into the budget.

    The planned tier counts; where it doesn't fit any more, the longest that does, so that the last
    attempt falls inside the budget. Jitter gives way to the deadline, Retry-After doesn't.
    """
    if failed.attempt > len(policy.plan) or failed.deadline_ms is None:
        return None
    budget_ms = _ms(policy.budget_s)
    left_ms = min(failed.deadline_ms - now_ms, budget_ms)  # a clock set back doesn't lengthen the budget
    tier = _longest(policy.tiers, min(left_ms, policy.plan[failed.attempt - 1].ms))
    retry_after_ms = _ms(retry_after_s)
    if tier is None or retry_after_ms > left_ms:
        return None
    wait_ms = min(max(_ms(tier.seconds * (1 + policy.jitter * roll)), retry_after_ms), left_ms)
    if wait_ms > _longest_wait_ms(policy, tier):  # Retry-After asks for more than this tier gives
        tier = _longest(policy.tiers, wait_ms) or tier
    return _retry(tier, _due(policy, tier, wait_ms, now_ms), now_ms + wait_ms, failed)


def _retry(tier: Tier, due_ms: int, not_before_ms: int, failed: Tracking) -> Retry:
    waiting = failed._replace(tier=tier.name, due_ms=due_ms, not_before_ms=not_before_ms)
    return Retry(tier, due_ms, not_before_ms, waiting)


def _due(policy: Policy, tier: Tier, wait_ms: int, now_ms: int) -> int:
    """One pass if the tier with its jitter can hold the whole wait; else a full tier now, the rest later."""
    return now_ms + (wait_ms if wait_ms <= _longest_wait_ms(policy, tier) else tier.ms)


def _longest_wait_ms(policy: Policy, tier: Tier) -> int:
    return _ms(tier.seconds * (1 + policy.jitter))


def _longest(tiers: Sequence[Tier], limit_ms: int) -> Tier | None:
    """The longest tier within the limit; tiers are ascending."""
    return next((tier for tier in reversed(tiers) if tier.ms <= limit_ms), None)


def _ms(seconds: float) -> int:
    """Whole milliseconds, rounded up so that nothing is early; a nanosecond of float dust is no reason to."""
    return ceil(seconds * 1000 - 1e-6)


def _names(tiers: Sequence[Tier]) -> str:
    return ", ".join(tier.name for tier in tiers) or "(none)"
