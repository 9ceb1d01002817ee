"""SIGTERM: what is under way finishes, within a bound, and the next worker goes on without repeats."""

from pathlib import Path

from streams.demo.broker import LocalKafka
from tests.broker import Broker
from tests.integration import impatient
from tests.integration.group import assert_all_committed
from tests.integration.harness import assert_books_balance, track, wait_until, world
from tests.integration.load import load
from tests.integration.repeats import repeated

#: What a worker needs to stop beside its drain: leaving the group, closing its connections.
OVERHEAD_S = 5.0


def test_a_worker_with_nothing_to_do_ends_at_once(broker: Broker, prefix: str, tmp_path: Path) -> None:
    with world(broker, prefix, tmp_path, {"crm": {}}) as w:
        worker = w.start_worker()
        w.wait_members(1)

        assert worker.terminate() < OVERHEAD_S


def test_requests_under_way_finish_and_the_next_worker_repeats_none(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    with world(broker, prefix, tmp_path, {"crm": {}}) as w:
        first = w.start_worker()
        w.there.delay_s = 0.5
        w.send(*[track(f"e{number}") for number in range(100)])
        wait_until("requests under way", lambda: len(w.there.arrivals()) >= 30)

        first.terminate()
        w.there.delay_s = 0
        w.start_worker()

        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_delayed_events_that_overtook_others_are_not_released_again_by_the_next_worker(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # With so much jitter, what waits is released in another order than it is committed in.
    retry = {"tiers": ["1s", "2s"], "plan": ["2s"], "budget": "1m", "jitter": 1}
    with world(broker, prefix, tmp_path, {"crm": {}}, retry=retry) as w:
        first = w.start_worker()
        w.send(*[track(f"e{number}", [503, 200]) for number in range(200)])
        wait_until("some are released", lambda: w.there.taken())

        first.terminate()
        assert w.there.taken().total() < 200
        w.start_worker()

        assert_books_balance(w, once=True)
        assert_all_committed(w)


def test_a_hung_destination_holds_up_the_end_no_longer_than_the_drain(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # The request timeout is not what ends it: the drain is shorter here.
    hung = {"limits": {"in_flight": 20, "timeout_s": 3}}
    with world(broker, prefix, tmp_path, {"crm": {}, "hung": hung}, worker={"drain": "3s"}) as w:
        first = w.start_worker()
        with load(w, 100) as coming:
            coming.wait_taken(50)
            w.there.hold()
            coming.wait_sent(50)
            took = first.terminate()
        w.there.release()
        w.start_worker()

        assert took < 3 + OVERHEAD_S
        assert_books_balance(w, once=False)
        assert repeated(w) <= 2 * 20
        assert_all_committed(w)


def test_a_worker_ends_in_time_while_the_broker_is_away(
    own_broker: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    with world(own_broker, prefix, tmp_path, {"crm": {}}, worker={"drain": "3s"}) as w:
        # Given requests whose outcome can't be written any more
        first = w.start_worker(module="tests.integration.impatient", session_timeout=w.brief)
        w.there.delay_s = 0.1
        w.send(*[track(f"e{number}") for number in range(300)])
        wait_until("requests under way", lambda: len(w.there.arrivals()) >= 50)
        own_broker.kill()

        # Then the worker ends all the same, and when all is back, nothing is missing
        assert first.terminate() < 3 + 2 * impatient.END_S + OVERHEAD_S
        own_broker.start()
        w.start_worker()
        assert_books_balance(w, once=False)
        assert_all_committed(w)
