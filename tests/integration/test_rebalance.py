"""Workers that come and go while events flow: nothing is lost, and what is drained is not repeated."""

from collections.abc import Mapping
from pathlib import Path

from tests.broker import Broker
from tests.integration.group import assert_all_committed, assignment, moved
from tests.integration.harness import Worker, assert_books_balance, track, world
from tests.integration.load import load

DESTINATIONS: Mapping[str, Mapping[str, object]] = {"crm": {}, "ads": {}}
#: A session that outlasts a restart on a slow machine.
LONG = "30s"


def test_workers_that_join_and_leave_under_load_lose_and_repeat_nothing(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        w.start_worker()
        w.there.delay_s = 0.02
        with load(w, 300) as coming:
            coming.wait_taken(200)
            second = w.start_worker()
            w.wait_members(2)
            coming.wait_taken(200)
            w.start_worker()
            w.wait_members(3)
            coming.wait_taken(200)
            second.terminate()
            w.wait_members(2)
            coming.wait_taken(200)

        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_a_trickle_of_events_is_not_lost_between_workers_that_come_and_go(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # With idle partitions a fetch is under way during the whole rebalance: what it brought at the end
    # of it was of the new generation, was dropped, and was never read again. 1 event in 75 was lost here.
    with world(broker, prefix, tmp_path, {"crm": {}}, kafka={"partitions": 4}) as w:
        w.start_worker()
        with load(w, 50) as coming:
            for _ in range(2):
                second = w.start_worker()
                w.wait_members(2)
                coming.wait_sent(30)
                second.terminate()
                w.wait_members(1)
                coming.wait_sent(30)

        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_workers_that_start_at_once_over_a_topic_that_was_never_read_begin_at_its_start(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # Rebalance upon rebalance, with nothing committed yet: there is no offset to go back to.
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        w.send(*[track(f"early{number}") for number in range(200)])
        with load(w, 100):
            w.start_workers(4)

        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_a_worker_that_joins_takes_its_share_and_no_more_moves(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 8}) as w:
        w.start_workers(2)
        before = assignment(w)
        partitions = sum(map(len, before.values()))

        w.start_worker()
        w.wait_members(3)

        after = assignment(w)
        assert sum(map(len, after.values())) == partitions
        assert moved(before, after) <= -(-partitions // 3)
        assert max(map(len, after.values())) - min(map(len, after.values())) <= 1


def test_a_static_member_that_restarts_within_its_session_moves_nothing(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        # Given two workers with names that survive a restart
        def start(name: str, session: str = "6s") -> Worker:
            return w.start_worker("--instance-id", name, ready=False, session_timeout=session)

        one, two = start("one", LONG), start("two")
        w.wait_members(2)
        before, rebalances = assignment(w), two.text().count("it is rebalancing")
        with load(w, 100) as coming:
            coming.wait_taken(100)

            # When one of them restarts
            one.terminate()
            start("one", LONG).wait_ready()
            coming.wait_taken(200)

        # Then the other was never asked to rejoin, and everybody has what they had
        assert two.text().count("it is rebalancing") == rebalances
        assert assignment(w) == before
        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_workers_that_end_while_others_are_still_joining_lose_nothing(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, DESTINATIONS, kafka={"partitions": 4}) as w:
        w.start_worker()
        w.there.delay_s = 0.02
        with load(w, 200) as coming:
            for _ in range(2):
                coming.wait_taken(50)
                brief, staying = w.start_worker(ready=False), w.start_worker(ready=False)
                brief.wait_ready()
                brief.terminate()
                staying.wait_ready()
                staying.terminate()

        assert_books_balance(w, once=True)
        assert_all_committed(w)
