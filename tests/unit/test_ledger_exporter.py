"""The figures as metrics: what they say, and what they say while the brokers are away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.ledger import bookkeeping, exporter, state
from streams.ledger.books import Books, Inbound
from streams.ledger.exporter import Exporter
from streams.ledger.keeper import Keeper, Ledger
from streams.ledger.sums import Sums

BOOKS = Books(
    {"crm": Sums(accepted=7, delivered=2, queued=1, unaccounted=1, duplicates=1, duplicates_at_most=3)},
    Inbound(records=9, queued=2),
)
BOOKS.destinations["crm"].dead["rejected"] = 3
BOOKS.inbound.undecodable["not-json"] = 4


class Turns:
    """A keeper that does as it is told."""

    def __init__(self) -> None:
        self.ledger: Ledger | None = Ledger({"cluster": "c"})
        self.records_read = 12
        self.answers: list[Books | Exception] = []
        self.scanner = self
        self.renewed = 0

    def renew(self) -> None:
        self.renewed += 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    made = Turns()

    def books(_keeper: Any) -> Books:
        answer = made.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(bookkeeping, "books", books)
    return made


@pytest.fixture
def made(turns: Turns, tmp_path: Path) -> Exporter:
    return Exporter(cast(Keeper, turns), 30, tmp_path / "state", clock=Clock())


def run(made: Exporter, turns: Turns, *answers: Books | Exception) -> None:
    """So many turns."""
    turns.answers = [*answers]
    made.stopped.clear()
    made.every_s = 0.0
    while turns.answers:
        made._turn(made.clock())


def metrics(made: Exporter) -> list[str]:
    return made.page("/metrics")[2].decode().splitlines()


def test_the_sums_are_gauges(made: Exporter, turns: Turns) -> None:
    run(made, turns, BOOKS)

    found = metrics(made)
    for line in (
        'distributary_ledger_events{destination="crm",detail="",state="delivered"} 2.0',
        'distributary_ledger_events{destination="crm",detail="rejected",state="dead"} 3.0',
        'distributary_ledger_accepted{destination="crm"} 7.0',
        'distributary_ledger_unaccounted{destination="crm"} 1.0',
        'distributary_ledger_duplicates_at_most{destination="crm"} 3.0',
        'distributary_ledger_inbound{detail="not-json",state="undecodable"} 4.0',
        "distributary_ledger_up 1.0",
        "distributary_ledger_records_read 12.0",
    ):
        assert line in found


def test_before_the_first_reading_there_are_no_figures(made: Exporter) -> None:
    assert "distributary_ledger_up 0.0" in metrics(made)
    assert not [line for line in metrics(made) if "unaccounted" in line]
    assert made.page("/readyz")[0] == 503


def test_while_the_brokers_are_away_the_last_figures_stay(
    made: Exporter, turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    run(made, turns, BOOKS, KafkaException("no brokers"), KafkaException("no brokers"))

    found = metrics(made)
    assert "distributary_ledger_up 0.0" in found
    assert 'distributary_ledger_unaccounted{destination="crm"} 1.0' in found
    assert [made.page(path)[0] for path in ("/readyz", "/healthz")] == [200, 200]
    assert caplog.text.count("ledger.unavailable: no brokers") == 1
    run(made, turns, BOOKS)
    assert "distributary_ledger_up 1.0" in metrics(made)


def test_an_unaccounted_event_is_logged_by_its_place(
    made: Exporter, turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Books({"crm": Sums(unaccounted=1, missing=["events/0/8"])}, Inbound())
    run(made, turns, lost)

    assert "ledger.unaccounted event=events/0/8" in caplog.text


def test_it_is_stuck_when_there_is_no_sign_of_life(made: Exporter) -> None:
    cast(Clock, made.clock).now += exporter.STUCK_S + made.every_s + 1
    assert made.page("/healthz")[0] == 503
    made.keeper.beat()
    assert made.page("/healthz")[0] == 200


def test_the_state_is_written_at_the_end_and_a_full_disk_does_not_end_the_figures(
    made: Exporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made.stopped.set()
    made.run()
    found = state.load(tmp_path / "state")
    assert found is not None
    assert found.identity == {"cluster": "c"}
    made.state_file = tmp_path / "missing" / "state"
    made.run()
    assert "ledger.not_saved" in caplog.text


@pytest.fixture
def url(made: Exporter) -> Iterator[str]:
    server = exporter.serve(made, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_pages_are_served(url: str) -> None:
    assert httpx.get(f"{url}/metrics").headers["content-type"].startswith("text/plain")
    assert httpx.get(f"{url}/healthz?x").json() == {"stuck": False}
    assert httpx.get(f"{url}/readyz").json() == {"ready": False}
    assert httpx.get(f"{url}/etc/passwd").status_code == 404


def test_who_got_no_answer_asks_by_a_new_client(made: Exporter, turns: Turns) -> None:
    failed = KafkaException(KafkaError(KafkaError._TRANSPORT))

    run(made, turns, BOOKS, failed, BOOKS, failed, BOOKS)

    assert turns.renewed == 2
