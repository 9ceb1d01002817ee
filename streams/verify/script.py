"""What a destination answers to an event. It is written in the event, so its fate is known beforehand.

    503                                  a status
    {"status": 429, "retry_after": 1}    with Retry-After, in seconds
    {"status": 429, "retry_date": 1}     with Retry-After as a date: the first full second after so many
    {"status": 200, "after": 0.5}        so many seconds after the request
    "reset", "slow-head", "gzip-bomb"    what goes wrong on the wire: `streams.verify.replies`

The n-th request for an event at a destination is answered with the n-th step, those after the last with
the last. All steps but the last are failures that pass: so what becomes of the event does not depend on
how often a crash repeats an attempt (`is_sound`).
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from connectors.answers import Outcome, outcome_of_error, outcome_of_status
from streams.demo import misbehave
from streams.demo.misbehave import Reply
from streams.retry import Policy, Reason
from streams.verify import replies

Step = int | str | Mapping[str, Any]
Script = Sequence[Step]

#: What an event is answered that carries no script for a destination.
UNSAID: Script = (200,)
DELIVERED = "delivered"
_DEAD = {Outcome.REJECTED: Reason.REJECTED, Outcome.CREDENTIALS: Reason.CREDENTIALS}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the fate of a script depends on besides the script."""

    policy: Policy
    timeout_s: float

    @property
    def attempts(self) -> int:
        return len(self.policy.plan) + 1


def step(script: Script, arrival: int) -> Step:
    """The answer to the n-th request; 1 is the first."""
    return script[min(arrival, len(script)) - 1]


def after_s(step: Step) -> float:
    """How long the answer takes to begin."""
    return float(step.get("after", 0.0)) if isinstance(step, Mapping) else 0.0


def retry_after_s(step: Step, answered: float = 0.0) -> float:
    """The wait that an answer given at this time (Unix) asks for; at least, where that is not said."""
    if not isinstance(step, Mapping):
        return 0.0
    if "retry_date" in step:
        return _date(step, answered) - answered if answered else float(step["retry_date"])
    return float(step.get("retry_after", 0.0))


def takes(step: Step) -> bool:
    """Whether the destination has the event after this: it says so, be it too late."""
    return 200 <= _status(step) <= 299


def reply(step: Step, answered: float) -> Reply:
    """The answer on the wire, given at this time (Unix)."""
    if isinstance(step, str):
        return replies.named(step)
    if isinstance(step, int):
        return _plain(step, "")
    if "retry_date" in step:
        return _plain(step["status"], formatdate(_date(step, answered), usegmt=True))
    return _plain(step["status"], f"{step['retry_after']:g}" if step.get("retry_after") else "")


@functools.lru_cache(maxsize=256)
def _plain(status: int, retry_after: str) -> Reply:
    return misbehave.http(status, {"said": status}, **({"retry_after": retry_after} if retry_after else {}))


def _date(step: Mapping[str, Any], answered: float) -> int:
    return math.ceil(answered + float(step["retry_date"]))


def fate(script: Script, rules: Rules) -> str:
    """What becomes of the event: `delivered`, `dead rejected`, `dead exhausted`, ..."""
    for attempt in range(1, rules.attempts + 1):
        outcome = _outcome(answer := step(script, attempt), rules)
        if outcome is Outcome.DELIVERED:
            return DELIVERED
        if outcome in _DEAD:
            return f"dead {_DEAD[outcome]}"
        if retry_after_s(answer) > rules.policy.budget_s:
            break
    return f"dead {Reason.EXHAUSTED}"


def is_sound(script: Script, rules: Rules) -> bool:
    """Whether repeated attempts can't change its fate: all but the last step pass, within the plan."""
    passing = [_outcome(one, rules) is Outcome.RETRY and retry_after_s(one) < 60 for one in script[:-1]]
    return all(passing) and len(script) <= rules.attempts


def _outcome(step: Step, rules: Rules) -> Outcome:
    if isinstance(step, str) and not _status(step):
        return outcome_of_error(replies.NAMED[step].code)
    return Outcome.RETRY if after_s(step) >= rules.timeout_s else outcome_of_status(_status(step))


def _status(step: Step) -> int:
    """0 where there is none."""
    if isinstance(step, int):
        return step
    if isinstance(step, str):
        return int(code) if (code := replies.NAMED[step].code).isdecimal() else 0
    return int(step["status"])
