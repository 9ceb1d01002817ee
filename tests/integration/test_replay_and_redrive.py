"""What was delivered can be delivered again, what is dead brought back: only what was chosen, and once."""

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic

from streams import codec, failpoints
from streams.headers import Source
from tests.broker import Broker
from tests.integration.harness import (
    Destinations,
    Event,
    World,
    assert_books_balance,
    header,
    identify,
    track,
    wait_until,
    world,
)
from tests.integration.processes import interruptible, stands_still

DESTINATIONS: Destinations = {"crm": {"when": {"types": ["track"]}}, "ads": {}}
HOUR_MS = 3_600_000
NOW_MS = int(time.time() * 1000)
HISTORY = {
    "h-3": NOW_MS - 3 * HOUR_MS,
    "h-2": NOW_MS - 2 * HOUR_MS,
    "h-1.5": NOW_MS - 3 * HOUR_MS // 2,
    "h-1": NOW_MS - HOUR_MS,
}
MANY = 1000


@pytest.fixture(scope="module")
def w(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With a history of three hours on the inbound topic."""
    with world(broker, None, tmp_path_factory.mktemp("again"), DESTINATIONS) as made:
        for event_id, ms in HISTORY.items():
            made.send(track(event_id), identify(f"{event_id}-identify"), timestamp=ms, partition=0)
            made.send_bytes(b"not an event", "undecodable unsupported-format", timestamp=ms, partition=0)
        made.start_worker()
        yield made


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def archive(w: World, name: str, events: list[Event]) -> list[Source]:
    """A topic of old events that is not the inbound topic."""
    w.admin.create_topics([NewTopic(w.prefix + name, 2, 1)])[w.prefix + name].result(10)
    sources = w.produce(w.prefix + name, [codec.encode_json(event) for event in events])
    w.sent.update(zip(sources, events, strict=True))
    return sources


def redrive(w: World, *options: str) -> int:
    """How many events are back."""
    ran = w.cli("dlq", "redrive", *options, "--json")
    assert ran.status == 0, ran
    return int(ran.json["redriven"])


# -- replay --------------------------------------------------------------------------------------


def test_a_replay_delivers_a_stretch_of_time_to_one_destination_and_no_more(w: World) -> None:
    assert_books_balance(w)
    options = ["--from", iso(HISTORY["h-2"]), "--to", iso(HISTORY["h-1"]), "--id", "again"]
    ran = w.cli("replay", "-d", "crm", *options, "--json")
    assert ran.json == {"replay": "again", "records": 6}
    replayed = {"h-2", "h-1.5"}
    for source, event in w.sent.items():
        if event["messageId"].removesuffix("-identify") in replayed:
            w.expect(source, "crm", w.fate(event, "crm"), replay="again")
    books = assert_books_balance(w)
    assert books.destinations["crm"].filtered == {"types": 4 + 2}
    for event_id in HISTORY:
        arrivals = w.there.arrivals(event_id, "crm")
        assert len(arrivals) == (2 if event_id in replayed else 1)
        assert {arrival.headers["webhook-id"] for arrival in arrivals} == {arrivals[0].headers["webhook-id"]}
    marked = {(header(r, "event-id"), header(r, "replay")) for r in w.records(w.names.deliver("crm"))}
    assert {event_id for event_id, replay in marked if replay == "again"} == replayed
    assert len(w.dead()) == len(HISTORY)  # what is no event is not dead a second time
    assert w.cli("replay", "-d", "crm", *options, "--json").json["records"] == 0


def test_an_archived_topic_is_replayed_with_todays_filters_and_fates(w: World) -> None:
    events = [track("old-1"), identify("old-2"), track("old-3", [400]), track("old-4", [503, 200])]
    sources = archive(w, "archive", events)
    ran = w.cli("replay", "-d", "crm", "--topic", f"{w.prefix}archive", "--from", "1h", "--id", "old")
    assert f"4 records of {w.prefix}archive" in ran.out
    for source, event in zip(sources, events, strict=True):
        w.expect(source, "crm", w.fate(event, "crm"), replay="old")
    assert_books_balance(w)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_replay_that_was_interrupted_goes_on_where_it_was(
    broker: Broker, prefix: str, tmp_path: Path, how: signal.Signals
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS) as w:
        w.start_worker(ready=False)
        sources = archive(w, "many", [track(f"e{number}") for number in range(MANY)])
        arguments = ["replay", "-d", "crm", "--topic", f"{prefix}many", "--from", "1h", "--id", "long"]
        said = interrupted(w, arguments, how)
        assert how == signal.SIGKILL or "To go on: distributary replay --id long --destination crm" in said
        rest = w.cli(*arguments, "--json").json["records"]
        assert 0 < rest < MANY
        for source in sources:
            w.expect(source, "crm", "delivered", replay="long")
        books = assert_books_balance(w, once=False)
        arrivals = w.there.arrivals(path="crm")
        assert MANY <= len(arrivals) <= MANY + 200  # at most the chunk that was under way is repeated
        assert books.destinations["crm"].duplicates >= len(arrivals) - MANY


def interrupted(w: World, arguments: list[str], how: signal.Signals) -> str:
    """What a replay says that is interrupted when it has done a part: there it waits for us."""
    env = w.environment | {failpoints.VARIABLE: "mid-replay:1=freeze"}
    with interruptible():
        replay = subprocess.Popen(w.command(*arguments), env=env, stderr=subprocess.PIPE, text=True)
    with replay:
        try:
            wait_until("a part to be replayed", lambda: stands_still(replay.pid), 60)
            replay.send_signal(how)
            replay.send_signal(signal.SIGCONT)
            _, said = replay.communicate(timeout=60)
        finally:
            replay.kill()
    assert replay.returncode != 0, said
    return said


# -- redrive -------------------------------------------------------------------------------------


def test_redrive_brings_back_what_was_chosen_and_only_once(w: World) -> None:
    sources = w.send(
        track("key-1", [401, 200]),
        track("key-2", [403, 200]),
        track("bad", [400, 200]),
        identify("ads", [401]),
    )
    assert_books_balance(w, once=False)
    groups = w.cli("dlq", "list", "--reason", "credentials", "--json").json
    assert groups == [
        {"destination": "ads", "reason": "credentials", "error": "401", "events": 2},
        {"destination": "ads", "reason": "credentials", "error": "403", "events": 1},
        {"destination": "crm", "reason": "credentials", "error": "401", "events": 1},
        {"destination": "crm", "reason": "credentials", "error": "403", "events": 1},
    ]
    assert redrive(w, "-d", "crm", "--reason", "credentials") == 2
    for source in sources[:2]:
        w.expect(source, "crm", "delivered")
    assert_books_balance(w, once=False)
    dead, alive = w.there.arrivals("key-1", "crm")
    assert dead.headers["webhook-id"] == alive.headers["webhook-id"]
    assert [attempt.attempt for attempt in w.attempts("key-1", "crm")] == [1, 1, 1]  # the note, too
    passed = [record for record in w.records(w.names.deliver("crm")) if header(record, "event-id") == "key-1"]
    assert {header(record, "redrives") for record in passed} == {None, "1"}
    assert redrive(w, "-d", "crm", "--reason", "credentials") == 0
    assert w.cli("dlq", "list", "-d", "crm", "--reason", "credentials", "--json").json == []
    assert_books_balance(w, once=False)


@pytest.mark.parametrize(("option", "value"), [("--event", "by-event"), ("--error", "418")])
def test_redrive_chooses_by_event_and_by_error(w: World, option: str, value: str) -> None:
    name = option.replace("--", "by-")
    chosen, other = w.send(track(name, [418, 200]), track(f"other-{name}", [422, 200]))
    assert_books_balance(w, once=False)
    assert redrive(w, "-d", "crm", option, value) == 1
    w.expect(chosen, "crm", "delivered")
    w.expect(other, "crm", "dead rejected")
    assert_books_balance(w, once=False)


def test_what_dies_again_can_be_brought_back_again(w: World) -> None:
    [source] = w.send(track("stubborn", [410, 410, 200]))
    assert_books_balance(w, once=False)
    for becomes in ("dead rejected", "delivered"):
        assert redrive(w, "-d", "crm", "--error", "410") == 1
        w.expect(source, "crm", becomes)
        assert_books_balance(w, once=False)


def test_a_redriven_event_has_a_new_plan_and_no_more_than_the_limit_come_back(w: World) -> None:
    tired = [500] * 6 + [200]
    sources = w.send(track("tired-1", tired), track("tired-2", tired))
    assert_books_balance(w, once=False)
    assert redrive(w, "-d", "crm", "--reason", "exhausted", "--limit", "1") == 1
    back = wait_until(
        "it to be tried again", lambda: [a for a in w.there.arrivals(path="crm") if a.attempt == 7]
    )
    for source in sources:
        if w.sent[source]["messageId"] == back[0].event:
            w.expect(source, "crm", "delivered")
    assert_books_balance(w, once=False)


def test_what_was_never_an_event_stays_in_the_dlq(w: World) -> None:
    ran = w.cli("dlq", "redrive", "--reason", "undecodable", "--json")
    assert ran.json.items() >= {"redriven": 0, "without_destination": len(HISTORY)}.items()


def test_a_dead_event_is_shown_with_all_one_needs_to_know(w: World) -> None:
    [source] = w.send(track("shown", [503, {"status": 400, "body": {"error": "no such field"}}]))
    assert_books_balance(w, once=False)
    [shown] = w.cli("dlq", "show", "--event", "shown", "-d", "crm", "--json").json
    assert shown.items() >= {
        "destination": "crm", "event": "shown", "source": str(source), "reason": "rejected", "error": "400",
        "attempts": 2, "detail": '{"error": "no such field"}',
    }.items()  # fmt: skip
    assert shown["value"].startswith('{"type":"track","messageId":"shown"')
    assert "no such field" in w.cli("dlq", "show", "--event", "shown").out


def test_what_others_wrote_is_shown_without_steering_the_terminal(w: World) -> None:
    w.send(track("\x1b[31m[/red]", [{"status": 422, "body": "[/bold]"}]))
    w.send_bytes(b"\x1b]0;owned\x07[/x]", "undecodable unsupported-format")
    assert_books_balance(w, once=False)
    shown = w.cli("dlq", "show", "--error", "422").out + w.cli("dlq", "show", "--reason", "undecodable").out
    assert "\\x1b[31m[/red]" in shown
    assert "\\x1b]0;owned\\x07[/x]" in shown
    assert "\x1b" not in shown
