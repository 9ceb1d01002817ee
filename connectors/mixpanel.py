"""Mixpanel: events, in batches, through /import with strict validation.

- Sending again is safe: Mixpanel drops an event whose name, time, distinct_id and $insert_id it has, and
  all four come from the event alone.
- A 400 is a partial success: `failed_records` names the events that failed, the others are imported.
- The page says 10 MB a request, its own example of a 413 says 2 MiB: we stay under the smaller.
- Nesting, property counts and banned ids are left to Mixpanel, which says what is wrong per event.
- Profiles (identify, group) go to another endpoint, /engage, and are not taken here.
"""

import re
from hashlib import sha256
from typing import Any

from connectors.answers import outcome_of_status
from connectors.base import Answers, Basic, Batch, Connector, Event, Outcome, Sends, Setting
from connectors.event import anonymous_id, event_name, time_ms, user_id

#: Mixpanel refuses these as ids: they are what a broken client sends. (For `insert_id`; the longer list
#: for distinct_id has more that an $insert_id could not be spelled with.)
BANNED_IDS = frozenset({
    "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "na", "undefined",
    "unknown", "0", "-1", "true", "false",
})  # fmt: skip


def insert_id(event: Event) -> str:
    """The event's id, where Mixpanel takes it: at most 36 of A-Z a-z 0-9 and hyphen; else its digest."""
    message_id = event["messageId"]
    if re.fullmatch(r"[A-Za-z0-9-]{1,36}", message_id) and message_id.lower() not in BANNED_IDS:
        return str(message_id)
    return sha256(message_id.encode(errors="surrogatepass")).hexdigest()[:36]


def properties(event: Event) -> dict[str, Any]:
    """The event's own, and over them those that Mixpanel requires or reads.

    An empty distinct_id is Mixpanel's "nobody". $device_id and $user_id let it merge the two
    (https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-simplified). Without
    an ip it would take ours for the user's; 0 is "none".
    """
    user, device = user_id(event), anonymous_id(event)
    ours = {
        "name": event.get("name"),  # of a page or a screen
        "time": time_ms(event),
        "distinct_id": user or device or "",
        "$insert_id": insert_id(event),
        "$user_id": user,
        "$device_id": device,
        "ip": (event.get("context") or {}).get("ip") or 0,
    }
    present = {key: value for key, value in ours.items() if value is not None}
    return {**(event.get("properties") or {}), **present}


def per_item(status: int, body: Any, count: int) -> list[Outcome]:
    """Delivered is only what Mixpanel counts as imported: all but the failed, if the numbers agree.

    Where it says less (a body cut short, numbers that don't add up), whatever is not named as failed is
    sent again, which is safe. A 400 that neither names nor imports anything is about the whole request.
    """
    if status != 400 and not 200 <= status <= 299:
        return [outcome_of_status(status)] * count
    if not isinstance(body, dict):
        is_cut = isinstance(body, str) and body.startswith("{")
        return [Outcome.REJECTED if status == 400 and not is_cut else Outcome.RETRY] * count
    imported, failed = body.get("num_records_imported"), _failed(body, count)
    if status == 400 and not failed and not imported:
        return [Outcome.REJECTED] * count
    agrees = type(imported) is int and imported == count - len(failed)
    others = Outcome.DELIVERED if agrees else Outcome.RETRY
    return [Outcome.REJECTED if index in failed else others for index in range(count)]


def _failed(body: dict[str, Any], count: int) -> set[int]:
    """Which items the answer names as failed."""
    records = body.get("failed_records")
    records = records if isinstance(records, list) else []
    named = [record.get("index") for record in records if isinstance(record, dict)]
    return {index for index in named if type(index) is int and 0 <= index < count}


TRACK = {
    "type": "track", "messageId": "9b2e9c1e-0b1a-4c61-8a2e-0d6e2c1f7a55", "userId": "u1", "anonymousId": "d1",
    "event": "Order Paid", "timestamp": "2026-08-21T10:00:00.250Z", "context": {"ip": "203.0.113.7"},
    "properties": {"total": 9.5},
}  # fmt: skip
PAID = {
    "total": 9.5, "time": 1787306400250, "distinct_id": "u1", "$user_id": "u1", "$device_id": "d1",
    "$insert_id": "9b2e9c1e-0b1a-4c61-8a2e-0d6e2c1f7a55", "ip": "203.0.113.7",
}  # fmt: skip
NOBODY = {"messageId": "evt_1", "name": "Pricing", "timestamp": "2026-08-21T12:00:00+02:00"}
VIEWED = {
    "name": "Pricing", "time": 1787306400000, "distinct_id": "", "ip": 0,
    "$insert_id": "7d4e5a76eae6d8c165410ac19fe6756521ba",
}  # fmt: skip

CONNECTOR = Connector(
    name="mixpanel",
    docs="https://docs.mixpanel.com/reference/import-events",
    url="https://api.mixpanel.com/import",  # EU: api-eu.mixpanel.com, India: api-in.mixpanel.com
    settings=(
        Setting(
            name="username", check=lambda text: re.fullmatch(r"[^:]+", text) is not None,
            allowed="a service account's user name, or the project's token; no colon",
            description="Who sends.", example="importer.1f2e3d.mp-service-account",
        ),
        Setting(
            name="password", secret=True, required=False, default="",
            allowed="the service account's secret; none with a project token",
            description="The service account's secret.", example="q9Zr7T2mXw4KpL8s",
        ),
        Setting(
            name="project_id", required=False, check=lambda text: re.fullmatch("[0-9]+", text) is not None,
            allowed="the project's number",
            description="Which project; required with a service account.", example="2195193",
        ),
    ),
    auth=Basic("username", "password"),
    query={"strict": "1", "project_id": "$.project_id"},
    batch=Batch(max_events=2000, max_bytes=2_000_000),
    max_item_bytes=999_999,  # "smaller than 1MB"
    answer_bytes=1_000_000,  # 2,000 failed records of up to 500 bytes
    accepts={
        "track": {"event": event_name, "properties": properties},
        "page": {"event": "Page Viewed", "properties": properties},
        "screen": {"event": "Screen Viewed", "properties": properties},
    },
    per_item=per_item,
    vectors=[
        Sends(TRACK, {"event": "Order Paid", "properties": PAID}),
        Sends({"type": "page", **NOBODY}, {"event": "Page Viewed", "properties": VIEWED}),
        Sends({"type": "screen", **NOBODY}, {"event": "Screen Viewed", "properties": VIEWED}),
        Answers(200, {"code": 200, "num_records_imported": 2, "status": "OK"}, [Outcome.DELIVERED] * 2),
        Answers(200, {"code": 200, "num_records_imported": 1, "status": "OK"}, [Outcome.RETRY] * 2),
        Answers(200, b"<html>Welcome to the hotel's network</html>", Outcome.RETRY),
        Answers(
            400,
            {"code": 400, "num_records_imported": 2, "failed_records": [
                {"index": 1, "$insert_id": "b", "field": "properties.time", "message": "..."},
            ]},
            [Outcome.DELIVERED, Outcome.REJECTED, Outcome.DELIVERED],
        ),
        Answers(400, b'{"code": 400, "failed_records": [{"index": 0, "fie', [Outcome.RETRY] * 2),
        Answers(400, {"code": 400, "error": "invalid JSON"}, [Outcome.REJECTED] * 2),
        Answers(401, {"code": 401, "error": "Invalid credentials"}, Outcome.CREDENTIALS),
        Answers(413, {"code": 413}, Outcome.REJECTED),
        Answers(429, {"code": 429}, Outcome.RETRY),
        Answers(503, b"", Outcome.RETRY),
    ],
)  # fmt: skip
