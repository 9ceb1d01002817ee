"""Events whose script tells what should become of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.answers import Outcome, outcome_of_status
from tests.integration.scripted import Step, script

Event = dict[str, Any]


def track(event_id: str, script: Sequence[Step] = (), **more: Any) -> Event:
    """An event that the scripted destination answers step by step."""
    properties = {"script": list(script)} if script else {}
    return {"type": "track", "messageId": event_id, "event": "Tested", "properties": properties, **more}


def identify(event_id: str, script: Sequence[Step] = (), **more: Any) -> Event:
    traits = {"script": list(script)} if script else {}
    return {"type": "identify", "messageId": event_id, "userId": "u1", "traits": traits, **more}


def fate(event: Mapping[str, Any], attempts: int) -> str:
    """What becomes of an event whose script is played, with so many attempts at most."""
    steps = script(event.get("properties") or event.get("traits") or {})
    for number in range(attempts):
        match outcome := _outcome(steps[min(number, len(steps) - 1)]):
            case Outcome.DELIVERED:
                return "delivered"
            case Outcome.CREDENTIALS | Outcome.REJECTED:
                return f"dead {outcome}"
    return "dead exhausted"


def _outcome(step: Step) -> Outcome:
    if isinstance(step, str):
        return Outcome.RETRY
    return outcome_of_status(step if isinstance(step, int) else step["status"])
