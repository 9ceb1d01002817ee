"""What `distributary status` and a worker's own pages say: the truth, while it happens, and no secrets."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from streams.demo import ports
from tests.broker import Broker
from tests.integration.harness import (
    PASSWORD,
    SECRET,
    Destinations,
    World,
    assert_books_balance,
    identify,
    track,
    wait_until,
    world,
)

DESTINATIONS: Destinations = {
    "crm": {"limits": {"in_flight": 2, "timeout_s": 5}},
    "ads": {"when": {"types": ["track"]}},
}
#: What shows anything of destinations or events.
COMMANDS = [
    "status", "destinations list", "destinations list --json", "destinations check", "dlq list", "dlq show",
    "dlq show --json",
]  # fmt: skip


@pytest.fixture
def w(broker: Broker, prefix: str, tmp_path: Path) -> Iterator[World]:
    with world(broker, prefix, tmp_path, DESTINATIONS) as made:
        yield made


def queued(w: World) -> tuple[int, int]:
    """How many events wait for crm, and how many for being routed."""
    books = w.status()
    return books.destinations["crm"].queued, books.inbound.queued


def test_status_says_where_every_event_is(w: World) -> None:
    worker = w.start_worker(session_timeout=w.brief)
    long = {"status": 503, "retry_after": 10}
    w.send(track("delivered"), identify("filtered"), track("dead", [400]), track("waiting", [long, 200]))
    w.send_bytes(b"no event", "undecodable unsupported-format")
    wait_until("all but one to be over", w.one_waits)
    w.there.hold()
    w.send(*(identify(f"queued-{number}") for number in range(5)))
    wait_until("them to be queued", lambda: queued(w) == (5, 0))
    worker.kill()
    w.send(track("not-routed-yet"))
    ran = w.cli("status", "--json")
    assert ran.status == 0
    crm, ads = ran.json["destinations"]["crm"], ran.json["destinations"]["ads"]
    assert crm.items() >= {
        "accepted": 9, "delivered": 2, "filtered": {}, "dead": {"rejected": 1}, "waiting": {"1.2s": 1},
        "queued": 5, "unaccounted": 0,
    }.items()  # fmt: skip
    assert ads.items() >= {
        "accepted": 9, "delivered": 1, "filtered": {"types": 6}, "dead": {"rejected": 1},
        "waiting": {"1.2s": 1}, "queued": 0, "unaccounted": 0,
    }.items()  # fmt: skip
    inbound = ran.json["inbound"]
    assert (inbound["records"], inbound["queued"]) == (11, 1)
    assert inbound["undecodable"] == {"unsupported-format": 1}
    w.there.release()
    w.start_worker()
    assert_books_balance(w, once=False)


def test_what_was_lost_is_found_out(w: World) -> None:
    worker = w.start_worker()
    w.there.hold()
    sources = w.send(*(identify(f"lost-{number}") for number in range(5)), partition=0)
    wait_until("them to be queued", lambda: queued(w) == (5, 0))
    worker.kill()
    topic = w.names.deliver("crm")
    ends = [TopicPartition(topic, partition, -1) for partition in (0, 1)]  # -1: all that is there
    for deleted in w.admin.delete_records(ends).values():
        deleted.result(10)
    ran = w.cli("status", "--json")
    assert ran.status == 1
    assert ran.json["destinations"]["crm"]["unaccounted"] == 5
    assert ran.json["destinations"]["crm"]["missing"] == [str(source) for source in sources]
    assert f"unaccounted: {sources[0]}" in w.cli("status").out


def test_a_worker_answers_for_itself(w: World) -> None:
    worker = w.start_worker(port=ports.free())
    wait_until("readiness", lambda: worker.get("/readyz").status_code == 200)
    w.send(track("counted", [503, 200]))
    assert_books_balance(w)
    assert worker.get("/healthz").json() == {"stuck": []}
    metrics = worker.get("/metrics").text.splitlines()
    for line in (
        'distributary_attempts_total{code="503",destination="crm",outcome="retry"} 1.0',
        'distributary_attempts_total{code="200",destination="crm",outcome="delivered"} 1.0',
        'distributary_release_lateness_seconds_count{tier="300ms"} 2.0',
    ):
        assert line in metrics


def test_secrets_are_nowhere_to_be_seen(broker: Broker, prefix: str, tmp_path: Path) -> None:
    destinations: Destinations = {
        "crm": {
            "when": {"types": ["track"]},
            "settings": {"headers": {"authorization": "Bearer ${PASSWORD}"}},
        },
        "mix": {
            "connector": "mixpanel",
            "when": {"types": ["page"]},
            "settings": {"project_id": "1", "username": "sa", "password": "${PASSWORD}"},
        },
    }
    with world(broker, prefix, tmp_path, destinations) as w:
        worker = w.start_worker("--log-level", "debug", port=ports.free())
        w.there.echo = True  # as some destinations do: every answer repeats the request's headers
        w.send(*(track(f"e-{status}", [status]) for status in (200, 400, 401, 503)))
        w.send({**track("page", [403]), "type": "page", "timestamp": "2026-08-21T10:00:00Z"})
        assert_books_balance(w)
        assert PASSWORD in w.there.arrivals("e-400")[0].headers["authorization"]
        ours = [topic for topic in w.admin.list_topics().topics if topic.startswith(prefix)]
        seen = {"the worker's log": worker.text(), "metrics": worker.get("/metrics").text}
        seen |= {topic: everything(w, topic) for topic in ours}
        with ThreadPoolExecutor(4) as threads:
            runs = threads.map(lambda words: w.cli(*words.split()), COMMANDS)
        seen |= {words: ran.out + ran.err for words, ran in zip(COMMANDS, runs, strict=True)}
        assert "authorization" in seen[w.names.dlq]  # it was repeated, and is kept but for the secret
        basic = base64.b64encode(f"sa:{PASSWORD}".encode()).decode()
        for secret in (PASSWORD, SECRET, SECRET.removeprefix("whsec_"), basic):
            assert [where for where, text in seen.items() if secret in text] == []


def everything(w: World, topic: str) -> str:
    return "".join(f"{record.key!r} {record.value!r} {record.headers!r}" for record in w.records(topic))
