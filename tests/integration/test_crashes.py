"""Workers that die or freeze at the worst moment: nothing is lost, and little is repeated."""

import random
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from tests.broker import Broker
from tests.integration.group import assert_all_committed, assignment, committed
from tests.integration.harness import Event, assert_books_balance, track, world
from tests.integration.load import load
from tests.integration.repeats import in_hand, repeated
from tests.integration.scripted import Step

DESTINATIONS: Mapping[str, Mapping[str, object]] = {"crm": {}, "ads": {}}
#: Requests that arrive so long after a kill were still under way; the heirs begin after the session timeout.
ON_THE_WIRE_S = 1.0


def hostile(number: int) -> Event:
    """Events of every fate, in turn."""
    scripts: list[list[Step]] = [
        [],
        [503, 200],
        [],
        [400],
        [],
        ["reset", 503, 200],
        [],
        ["hang", 200],
        [],
        [500],
    ]
    return track(f"e{number}", scripts[number % len(scripts)])


def with_stragglers(number: int) -> Event:
    """One in twenty is answered only at the second attempt, and leaves the first without an answer: while
    it is under way, all that came after it is finished."""
    return track(f"e{number}", ["hang", 200] if number % 20 == 0 else [])


def test_a_worker_killed_during_deliveries_loses_nothing_and_repeats_only_what_it_had_in_hand(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        # Given two workers that share the load
        victim = w.start_worker(session_timeout=w.brief)
        w.wait_members(1)
        [first] = assignment(w)
        w.start_worker()
        w.wait_members(2)
        with load(w, 100, with_stragglers) as coming:
            coming.wait_taken(300)

            # When one is killed in the middle of it
            held = assignment(w)[first]
            victim.kill()
            killed_at, done = time.time(), committed(w)
            coming.wait_taken(300)

        # Then nothing is lost, and no more is repeated than the one had in flight or uncommitted
        assert_books_balance(w, once=False)
        at_most = in_hand(w, held, done, until=killed_at + ON_THE_WIRE_S)
        assert repeated(w) <= at_most
        assert_all_committed(w)


def test_workers_killed_at_random_moments_lose_nothing(broker: Broker, prefix: str, tmp_path: Path) -> None:
    chance = random.Random(seed := secrets.randbits(32))
    print(f"seed {seed}")  # noqa: T201 - seen when it fails
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        alive = w.start_workers(2, session_timeout=w.brief)
        with load(w, 100, hostile) as coming:
            for _ in range(3):
                coming.wait_taken(chance.randint(1, 400))
                alive.pop(chance.randrange(2)).kill()
                alive.append(w.start_worker(session_timeout=w.brief))

        assert_books_balance(w, once=False)
        assert_all_committed(w)


def test_a_frozen_worker_thaws_and_takes_nothing_back_from_its_successor(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        # Given a worker that stands still beyond its session, with requests under way and commits due,
        frozen = w.start_worker(session_timeout=w.brief)
        w.there.delay_s = 0.02
        with load(w, 300) as coming:
            coming.wait_taken(300)
            frozen.freeze()
            # and another that has taken over and finished everything
            w.start_worker()
            w.wait_members(1)
            coming.wait_taken(500)
        w.wait_settled()
        assert_all_committed(w)
        finished = committed(w)

        # When the first goes on as if nothing had happened
        frozen.thaw()
        w.wait_members(2)

        # Then what the other committed stands, the one says once what has happened to it,
        assert frozen.text().count("group.expelled") == 1
        assert "OffsetCommit failed" not in frozen.text()
        # nothing is lost, and the two share what comes
        assert all(offset >= finished[tp] for tp, offset in committed(w).items())
        w.send(*[track(f"after{number}") for number in range(100)])
        assert_books_balance(w, once=False)
        assert_all_committed(w)
