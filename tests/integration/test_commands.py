"""What a person meets at the command line: help, answers, and errors that say what to do."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.demo import ports
from tests.broker import Broker
from tests.integration.harness import Ran, World, track, world

NO_BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
BAD_CONFIG = """\
inbound: {topic: events}
destinations:
- name: crm
  connector: webbhook
- name: crm
  connector: webhook
  settings: {url: "ftp://example.com", secret: "${NOT_SET}"}
  limits: {in_flight: 0}
"""
#: What can't be done -> what is said.
MISTAKES: Mapping[str, str] = {
    "status --config none.yaml": "none.yaml: can't be read: No such file or directory",
    "produce none.jsonl": "none.jsonl: can't be read: No such file or directory",
    "worker --log-level loud": "no log level 'loud'; there are: debug, info, warning, error",
    "replay -d nobody --from 1h": "no destination 'nobody'; there are: crm, down",
    "replay -d crm --from soon": "'soon' is neither an ISO 8601 time (2026-11-21T18:00:00Z) nor",
    "replay -d crm --from 1h --to 2h": "--from 1h is not before --to 2h",
    "replay -d crm --from 1h --topic none": "no topic 'none'",
    "dlq redrive": "say which: --destination, --reason, --error, --event; or --all",
}
#: What needs a broker.
NEEDY = ["status", "produce -", "worker", "replay -d crm --from 1h"]
HELP = ["worker --help", "status --help", "dlq redrive --help"]


@pytest.fixture(scope="module")
def w(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Without a worker; nobody listens where "down" is."""
    refusing = ports.refusing()
    nowhere = {"settings": {"url": f"http://{ports.LOOPBACK}:{refusing.getsockname()[1]}/"}}
    with (
        refusing,
        world(broker, None, tmp_path_factory.mktemp("commands"), {"crm": {}, "down": nowhere}) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def runs(w: World) -> Mapping[str, Ran]:
    """All of these, a few at a time: each takes a second to begin, some ten until they give up."""

    def run(words: str) -> Ran:
        return w.cli(*words.split(), env=NO_BROKER if words in NEEDY else None)

    with ThreadPoolExecutor(len(NEEDY) + 2) as threads:
        words = [*NEEDY, *MISTAKES, *HELP]
        return dict(zip(words, threads.map(run, words), strict=True))


@pytest.mark.parametrize("words", HELP)
def test_a_command_has_help(runs: Mapping[str, Ran], words: str) -> None:
    assert runs[words].status == 0
    assert f"{words.removesuffix('--help')}[OPTIONS]" in runs[words].out


@pytest.mark.parametrize("words", NEEDY)
def test_a_missing_broker_is_said_within_seconds(runs: Mapping[str, Ran], words: str) -> None:
    ran = runs[words]
    assert ran.status == 1
    assert ran.err.startswith("error: Kafka: ")
    assert ran.err.endswith("(is KAFKA_BOOTSTRAP_SERVERS right, and the broker up?)\n")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("words", MISTAKES)
def test_what_cannot_be_done_is_said_in_a_line(runs: Mapping[str, Ran], words: str) -> None:
    ran = runs[words]
    assert ran.status == 1
    assert ran.err.startswith(f"error: {MISTAKES[words]}")
    assert ran.err.count("\n") == 1


def test_every_mistake_in_the_config_is_named_with_its_line(w: World, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD_CONFIG)
    ran = w.cli("worker", "--config", str(path))
    assert ran.status == 1
    assert ran.err.splitlines() == [
        f"error: {path}:4: destinations[0].connector: 'webbhook' is unknown, did you mean 'webhook'? "
        "Allowed: ga4, mixpanel, slack, webhook",
        f"{path}:5: destinations[1].name: 'crm' is already the name of destinations[0]",
        f"{path}:7: destinations[1].settings.secret: ${{NOT_SET}} refers to the environment variable "
        "NOT_SET, which is not set",
        f"{path}:7: destinations[1].settings.url: 'ftp://example.com' is not allowed; allowed: an http or "
        "https URL without user name, password and fragment",
        f"{path}:8: destinations[1].limits.in_flight: 0 is not a whole number from 1 to 1000",
    ]


def test_destinations_are_listed_and_checked(w: World) -> None:
    listed = w.cli("destinations", "list", "--json")
    assert listed.status == 0
    assert [(one["name"], one["connector"]) for one in listed.json] == [
        ("crm", "webhook"),
        ("down", "webhook"),
    ]
    checked = w.cli("destinations", "check", "--json")
    assert checked.status == 1
    assert [(one["name"], one["reachable"]) for one in checked.json] == [("crm", True), ("down", False)]
    assert "ECONNREFUSED" in checked.json[1]["detail"]
    assert w.there.arrivals() == []


def test_topics_are_created_once_and_listed(w: World) -> None:
    gone = w.names.delay("600ms")
    w.admin.delete_topics([gone])[gone].result(10)
    listed = w.cli("topics", "list", "--json")
    assert listed.status == 1
    states = {one["topic"]: one["status"] for one in listed.json}
    assert states.pop(gone) == "missing"
    assert set(states.values()) == {"exists"}
    created = w.cli("topics", "create", "--json")
    assert created.status == 0
    assert {one["topic"]: one["status"] for one in created.json} == {**states, gone: "created"}
    assert w.cli("topics", "list").status == 0


def test_with_nothing_to_show_that_is_what_is_said(w: World) -> None:
    assert w.cli("dlq", "list").out == "nothing is dead\n"
    assert w.cli("dlq", "show").out == "nothing is dead\n"
    assert w.cli("dlq", "redrive", "--all").out == "0 events are back on their way\n"


def test_what_nobody_has_routed_yet_is_queued_and_not_unaccounted(w: World) -> None:
    w.send(track("early"), track("bird"))
    ran = w.cli("status")
    assert ran.status == 0
    assert "inbound: 2 records, 2 not routed yet, 0 undecodable, 0 unaccounted" in ran.out
