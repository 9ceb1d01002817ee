"""Slack: a message in a channel for each event, through an incoming webhook.

- The URL is the secret. Services that take Slack's messages (Mattermost, Rocket.Chat) have such URLs too.
- A URL that was revoked answers 404 or 403; both mean that our key is no longer good.
- About one message a second; beyond it, 429 with Retry-After (https://docs.slack.dev/apis/web-api/rate-limits).
- There is no idempotency key: a message whose answer got lost may appear twice.
- &, < and > are escaped, so nothing in an event can mention @channel or link anywhere
  (https://docs.slack.dev/messaging/formatting-message-text). Slack cuts texts at 40,000 characters,
  and asks for 4,000 at most.
"""

from typing import Any

from connectors.answers import outcome_of_status
from connectors.base import Answers, Connector, Event, Outcome, Rate, Sends, Setting
from connectors.event import event_name
from connectors.mapping import to_json
from connectors.settings import HTTP_URL, is_http_url

LONGEST_TEXT = 4000
LONGEST_VALUE = 200

#: The webhook itself is gone, whatever the status says: no event will pass until someone makes a new one.
REVOKED = frozenset({
    "invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled",
})  # fmt: skip

TYPES = ("track", "identify", "page", "screen", "group")


def text(event: Event) -> str:
    """The event's name in bold, whose it is, and a line for each property or trait."""
    details = {**(event.get("traits") or {}), **(event.get("properties") or {})}
    who = event.get("userId")
    lines = [f"*{_line(_title(event))}*" + ("" if who is None else f" by {_line(who)}")]
    lines += [f"{_line(key)}: {_line(value)}" for key, value in details.items()]
    message = "\n".join(lines)
    message = message if len(message) <= LONGEST_TEXT else message[: LONGEST_TEXT - 1] + "…"
    return message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _title(event: Event) -> Any:
    """What happened: an event's own name; "page Pricing"; "group g1"."""
    if event["type"] == "track":
        return event_name(event)
    about = event.get("groupId" if event["type"] == "group" else "name")
    return event["type"] if about is None else f"{event['type']} {_line(about)}"


def _line(value: Any) -> str:
    """Any value on one line, not too long of it."""
    words = value if isinstance(value, str) else to_json(value).decode()
    words = " ".join(words[: LONGEST_VALUE + 1].split())
    return words if len(words) <= LONGEST_VALUE else words[: LONGEST_VALUE - 1] + "…"


def interpret(status: int, body: Any) -> Outcome:
    """200 with "ok" is success; the name of an error says more than a 404 does."""
    is_revoked = isinstance(body, str) and body.strip() in REVOKED
    return Outcome.CREDENTIALS if is_revoked else outcome_of_status(status)


CONNECTOR = Connector(
    name="slack",
    docs="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
    settings=(
        Setting(
            name="url", secret=True, check=is_http_url, allowed=HTTP_URL,
            description="The incoming webhook; whoever has it can post.",
            example="https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        ),
    ),
    rate=Rate(requests=1),
    accepts={kind: {"text": text} for kind in TYPES},
    interpret=interpret,
    vectors=[
        Sends(
            {"type": "track", "event": "<Paid>", "userId": "u1", "properties": {"sum": 9.5, "note": "a & b"}},
            {"text": "*&lt;Paid&gt;* by u1\nsum: 9.5\nnote: a &amp; b"},
        ),
        Sends({"type": "identify", "traits": {"plan": "pro"}}, {"text": "*identify*\nplan: pro"}),
        Sends({"type": "page", "name": "Pricing"}, {"text": "*page Pricing*"}),
        Sends({"type": "screen"}, {"text": "*screen*"}),
        Sends({"type": "group", "groupId": "g1", "userId": "u1"}, {"text": "*group g1* by u1"}),
        Answers(200, b"ok", Outcome.DELIVERED),
        Answers(400, b"invalid_payload", Outcome.REJECTED),
        Answers(403, b"action_prohibited", Outcome.CREDENTIALS),
        Answers(403, b"invalid_token", Outcome.CREDENTIALS),
        Answers(404, b"no_service", Outcome.CREDENTIALS),
        Answers(404, b"channel_not_found", Outcome.REJECTED),
        Answers(410, b"channel_is_archived", Outcome.REJECTED),
        Answers(429, b"rate_limited", Outcome.RETRY),
        Answers(500, b"rollup_error", Outcome.RETRY),
    ],
)  # fmt: skip
