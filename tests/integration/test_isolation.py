"""One destination in trouble is nobody else's trouble."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.demo import ports
from tests.broker import Broker
from tests.integration.group import assert_all_committed
from tests.integration.harness import assert_books_balance, track, world

EVENTS = 120
#: One attempt, so that what hangs is dead, not back in the queue, when the test ends.
ONCE = {"tiers": ["1s"], "plan": [], "budget": "10s", "jitter": 0}


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The URL of somebody who takes every connection and request, and never says a word."""
    with socket.socket() as listening:
        listening.bind((ports.LOOPBACK, 0))
        listening.listen(1024)
        yield f"http://{ports.LOOPBACK}:{listening.getsockname()[1]}/"


def test_a_destination_that_hangs_does_not_slow_another(
    broker: Broker, prefix: str, tmp_path: Path, black_hole: str
) -> None:
    hung = {"settings": {"url": black_hole}, "limits": {"in_flight": 40, "timeout_s": 2}}
    with world(broker, prefix, tmp_path, {"crm": {}, "hung": hung}, retry=ONCE) as w:
        w.start_worker()
        for source in w.send(*[track(f"e{number}") for number in range(EVENTS)]):
            w.expect(source, "hung", "dead exhausted")

        # The one has everything while the other has not got through a fraction of it
        while w.there.taken().total() < EVENTS:
            line = w.status().destinations["hung"]
        assert line.queued + line.unaccounted + (EVENTS - line.accepted) > 0
        assert line.dead.total() < EVENTS / 2

        assert_books_balance(w, once=True)
        assert_all_committed(w)
