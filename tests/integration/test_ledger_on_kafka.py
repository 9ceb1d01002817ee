"""The ledger on a real Kafka: exact while workers are killed, in ranges of time, and taken up from a file."""

import functools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from streams import commands
from streams.demo import ports
from streams.ledger import bookkeeping
from streams.ledger.books import Books
from tests.broker import Broker
from tests.integration.harness import (
    Destinations,
    World,
    assert_books_balance,
    identify,
    track,
    wait_until,
    world,
)

DESTINATIONS: Destinations = {"crm": {}, "ads": {"when": {"types": ["track"]}}}
#: 2026-11-20T10:00Z, and the two minutes after it.
TEN, ONE_PAST, TWO_PAST = (1_795_168_800_000 + minute * 60_000 for minute in range(3))


@pytest.fixture
def w(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[World]:
    with world(broker, prefix, tmp_path, DESTINATIONS) as made:
        yield made


@pytest.fixture
def other(broker: Broker, tmp_path: Path) -> Iterator[World]:
    """Whose ledger is not ours."""
    with world(broker, None, tmp_path / "other", DESTINATIONS) as made:
        yield made


def said(books: Books) -> object:
    return books.as_json()


def test_it_is_exact_at_every_moment_while_workers_are_killed(w: World) -> None:
    with commands.keeper(w.settings) as keeper:
        workers = w.start_workers(2, session_timeout=w.brief)
        for burst in range(6):
            w.send(*(track(f"e-{burst}-{number}", [503] * (number % 3) + [200]) for number in range(40)))
            for _ in range(4):
                for books in (bookkeeping.books(keeper), w.status()):
                    assert books.balanced, books.as_json()
            if burst in (1, 3):
                workers.pop(0).kill()
                workers.append(w.start_worker(ready=False, session_timeout=w.brief))
        once_read = keeper.records_read
        books = assert_books_balance(w, once=False)
        assert said(bookkeeping.books(keeper)) == said(books)
        assert keeper.records_read > once_read
        once_read = keeper.records_read
        bookkeeping.books(keeper)
        assert keeper.records_read == once_read  # nothing came, nothing was read
        assert books.destinations["crm"].duplicates_at_most >= books.destinations["crm"].duplicates


def test_a_range_says_whether_it_is_closed_and_skewed_clocks_lose_nothing(w: World) -> None:
    worker = w.start_worker()
    for instant in (TEN, TEN + 59_999, TWO_PAST, 1):
        w.send(track(f"at-{instant}"), timestamp=instant)
    long = {"status": 503, "retry_after": 8}
    w.send(track("waits", [long, 200]), track("dies", [400]), timestamp=ONE_PAST)
    wait_until("all but one to be over", w.one_waits)
    worker.terminate()  # so that it goes on waiting

    arguments = ("status", "--json", "--by", "1m", "--from", "2026-11-20T10:00Z", "--to", "2026-11-20T10:02Z")
    ran = w.cli(*arguments)
    assert ran.status == 0
    crm = ran.json["destinations"]["crm"]
    assert (crm["accepted"], crm["delivered"], crm["dead"], crm["unaccounted"]) == (4, 2, {"rejected": 1}, 0)
    assert not ran.json["range"]["closed"]
    assert [why.split(" waiting")[0] for why in ran.json["range"]["still"]] == ["ads: 1", "crm: 1"]
    minutes = {bucket["from"]: bucket["destinations"]["crm"] for bucket in ran.json["buckets"]}
    assert {minute: line["accepted"] for minute, line in minutes.items()} == {
        "2026-11-20T10:00Z": 2, "2026-11-20T10:01Z": 2,
    }  # fmt: skip

    worker = w.start_worker()
    whole = assert_books_balance(w).destinations["crm"]
    assert w.cli(*arguments).json["range"]["closed"]
    every = w.cli("status", "--json", "--by", "1d").json["buckets"]
    assert sum(bucket["destinations"]["crm"]["accepted"] for bucket in every) == whole.accepted == 6
    assert every[0]["from"] == "1970-01-01T00:00Z"
    worker.terminate()
    w.send(track("not-routed-yet"), timestamp=ONE_PAST)
    ran = w.cli(*arguments)
    assert ran.json["range"]["still"] == ["1 records are not routed yet"]
    assert ran.json["inbound"]["queued"] == 1
    w.start_worker()
    assert_books_balance(w)


def test_a_state_file_is_gone_on_from_and_another_ones_is_not_used(
    w: World, other: World, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.state"
    other.start_worker(ready=False)
    w.start_worker()
    w.send(*(track(f"e-{number}", [503, 200] if number % 2 else [400]) for number in range(20)))
    first = assert_books_balance(w)
    assert said(commands.status(w.settings, state_file=file)) == said(first)
    saved = file.read_bytes()
    w.send(track("later"), identify("filtered"))
    expected = assert_books_balance(w)

    heard: list[str] = []
    assert said(commands.status(w.settings, state_file=file, say=heard.append)) == said(expected)
    assert heard == []
    for content, why in (
        (saved[:-5], "it was cut off or changed"),
        (b"distributary-ledger 9\nxyz", "it is of format 9"),
        (b"", "it was cut off or changed"),
        (b"inbound: {}", "It holds no ledger, and is left as it is"),
    ):
        file.write_bytes(content)
        ran = w.cli("status", "--json", "--state", str(file))
        assert ran.status == 0
        assert f"{file}: {why}" in ran.err
        assert ran.json == said(expected)
        assert (file.read_bytes() == content) is content.startswith(b"inbound")
    file.unlink()
    commands.status(w.settings, state_file=file)
    other.send(track("another"))
    theirs = assert_books_balance(other)
    assert said(commands.status(other.settings, state_file=file, say=heard.append)) == said(theirs)
    assert "prefix is" in heard[0]
    assert said(commands.status(w.settings, state_file=file)) == said(expected)


def test_unaccounted_events_are_listed_for_a_script(w: World) -> None:
    worker = w.start_worker()
    w.there.hold()
    sources = w.send(*(identify(f"lost-{number}") for number in range(25)), partition=0)
    wait_until("them to be queued", lambda: w.status().destinations["crm"].queued == 25)
    worker.kill()
    with commands.keeper(w.settings) as keeper:
        assert bookkeeping.books(keeper).balanced
        topic = w.names.deliver("crm")
        ends = [TopicPartition(topic, partition, -1) for partition in (0, 1)]
        for deleted in w.admin.delete_records(ends).values():
            deleted.result(10)
        assert bookkeeping.books(keeper).destinations["crm"].unaccounted == 25
    ran = w.cli("status", "--unaccounted")
    assert ran.status == 1
    assert ran.out.splitlines() == [f"{source}\tcrm" for source in sources]
    assert w.cli("status", "--unaccounted", "--json").json == [[str(source), "crm"] for source in sources]


def test_the_exporter_keeps_the_sums_and_goes_on_from_its_file(w: World, tmp_path: Path) -> None:
    w.start_worker()
    w.send(track("delivered"), track("dead", [400]), identify("filtered"))
    assert_books_balance(w)
    for _ in range(2):  # the second goes on from the first one's file
        port = ports.free()
        options = (
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
            "--every",
            "1s",
            "--state",
            str(tmp_path / "s"),
        )
        process = subprocess.Popen(w.command("exporter", *options), env=w.environment)
        try:
            page = wait_until("figures", functools.partial(figures, f"http://127.0.0.1:{port}"))
            for line in (
                'distributary_ledger_events{destination="ads",detail="types",state="filtered"} 1.0',
                'distributary_ledger_events{destination="crm",detail="rejected",state="dead"} 1.0',
                'distributary_ledger_events{destination="crm",detail="",state="delivered"} 2.0',
                'distributary_ledger_unaccounted{destination="crm"} 0.0',
                "distributary_ledger_up 1.0",
            ):
                assert line in page
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert "distributary_ledger_records_read 0.0" in page


def figures(url: str) -> list[str]:
    """The page's lines, once there are any sums on it."""
    try:
        if httpx.get(f"{url}/readyz").status_code != 200:
            return []
    except httpx.TransportError:
        return []
    assert httpx.get(f"{url}/healthz").json() == {"stuck": False}
    return httpx.get(f"{url}/metrics").text.splitlines()


def test_offsets_asked_for_together_are_those_asked_for_one_by_one(w: World) -> None:
    w.send(*(track(f"e-{number}") for number in range(9)))
    asked = Consumer(w.settings.kafka.confluent("test") | {"group.id": "none"})
    with commands.scanner(w.settings) as scan:
        partitions = scan.partitions([w.inbound, w.names.attempts])
        for tp in partitions:
            low, high = asked.get_watermark_offsets(TopicPartition(*tp), timeout=10)
            assert (scan.starts(partitions)[tp], scan.ends(partitions)[tp]) == (low, high)
        assert scan.committed(partitions) == scan.starts(partitions)
        future_ms = int((time.time() + 60) * 1000)
        assert scan.at_time(partitions, future_ms) == scan.ends(partitions)
    asked.close()
