"""The demo's events: always the same ones, and what the common spec asks of them."""

import json
from collections import Counter
from datetime import datetime
from itertools import pairwise

from streams.demo.events import MIX, events


def test_the_same_seed_gives_the_same_events() -> None:
    assert list(events(500, seed=7)) == list(events(500, seed=7))
    assert list(events(500, seed=7)) != list(events(500, seed=8))


def test_fewer_events_are_the_first_of_many() -> None:
    assert list(events(10, seed=7)) == list(events(500, seed=7))[:10]


def test_every_event_has_an_id_of_its_own() -> None:
    ids = {event["messageId"] for event in events(2_000)}

    assert len(ids) == 2_000


def test_every_type_comes_about_as_often_as_it_should() -> None:
    seen = Counter(event["type"] for event in events(10_000))

    assert set(seen) == set(MIX)
    for kind, percent in MIX.items():
        assert abs(seen[kind] / 100 - percent) < 2


def test_every_event_carries_what_its_type_needs() -> None:
    needed = {
        "track": {"event", "properties", "userId"},
        "identify": {"traits", "userId"},
        "page": {"name", "properties"},
        "screen": {"name", "properties", "userId"},
        "group": {"groupId", "traits", "userId"},
        "alias": {"previousId", "userId"},
    }
    for event in events(2_000):
        assert needed[event["type"]] | {"messageId", "timestamp", "anonymousId", "context"} <= event.keys()


def test_half_of_the_page_views_are_of_people_not_known_yet() -> None:
    pages = [event for event in events(4_000) if event["type"] == "page"]

    assert 0.4 < sum("userId" in page for page in pages) / len(pages) < 0.6


def test_events_go_forward_in_time() -> None:
    times = [datetime.fromisoformat(event["timestamp"]) for event in events(500)]

    assert all(earlier < later for earlier, later in pairwise(times))


def test_events_survive_json() -> None:
    made = list(events(500))

    assert json.loads(json.dumps(made, allow_nan=False)) == made
