"""What waits to be tried again survives everybody, is never early, and is in nobody's way."""

import subprocess
import time
from pathlib import Path

from confluent_kafka import Producer

from streams import codec, headers
from streams.headers import Source, Tracking
from tests.broker import Broker
from tests.integration import impatient
from tests.integration.group import assert_all_committed, assignment, lag
from tests.integration.harness import Worker, World, assert_books_balance, header, track, wait_until, world
from tests.integration.scripted import Step

RETRY = {"tiers": ["1s", "3s"], "plan": ["3s"], "budget": "1m", "jitter": 0.15}
FAILS_ONCE: list[Step] = [503, 200]
#: Far more than a worker may take into its hands; as many bytes as would be seen if it did.
MANY, EVENT_BYTES = 20_000, 2_000


def waiting(w: World) -> int:
    return sum(line.waiting.total() for line in w.status().destinations.values())


def delay(w: World, tier: str, *due_ms: int, padding: str = "") -> None:
    """Put records on a delay topic, as a worker would whose clock says that they are due then."""
    producer = Producer(w.settings.kafka.confluent("test-delay") | {"linger.ms": 20})
    for number, due in enumerate(due_ms):
        source = Source("elsewhere", 0, number)
        tracking = Tracking("crm", f"by-hand-{number}", source, 1, tier=tier, due_ms=due, not_before_ms=due)
        value = codec.encode_json(track(f"by-hand-{number}", padding=padding))
        producer.produce(w.names.delay(tier), value, headers=headers.write(tracking))
        producer.poll(0)
    assert producer.flush(30) == 0


def memory_mb(worker: Worker) -> float:
    asked = ["ps", "-o", "rss=", "-p", str(worker.pid)]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout) / 1024


def test_delayed_events_survive_the_death_of_their_worker_and_are_not_early(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    retry = RETRY | {"tiers": ["1s", "6s"], "plan": ["6s"]}
    with world(broker, prefix, tmp_path, {"crm": {}}, retry=retry) as w:
        # Given events that wait, and the only worker dead
        first = w.start_worker(session_timeout=w.brief)
        w.send(*[track(f"e{number}", FAILS_ONCE) for number in range(50)])
        wait_until("all waiting", lambda: waiting(w) == 50)
        wait_until("all else committed", lambda: {tp.topic for tp in lag(w)} == {w.names.delay("6s")})
        first.kill()

        # When another comes
        w.start_worker()

        # Then each is delivered, once, when its own record says that it is due, or later
        assert_books_balance(w, once=True)
        delayed = w.records(w.names.delay("6s"))
        assert len(delayed) == 50
        for record in delayed:
            _, again = w.there.arrivals(header(record, "event-id"))
            assert again.at * 1000 >= int(header(record, "due") or 0)
        assert_all_committed(w)


def test_a_member_that_only_waits_is_not_thrown_out_of_the_group(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # Three partitions in all and three workers, so one has nothing but delayed events.
    kafka, retry = {"partitions": 1}, RETRY | {"tiers": ["5s"], "plan": ["5s"]}
    with world(broker, prefix, tmp_path, {"crm": {}}, kafka=kafka, retry=retry) as w:
        w.start_workers(3, module="tests.integration.impatient")
        before = assignment(w)
        assert {len(held) for held in before.values()} == {1}
        sent_at = time.time()
        w.send(*[track(f"e{number}", FAILS_ONCE) for number in range(20)])

        assert_books_balance(w, once=True)

        assert time.time() - sent_at > 3 * impatient.POLL_INTERVAL_S
        assert assignment(w) == before


def test_one_that_is_due_in_an_hour_holds_up_nobody_behind_it(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    # A worker whose clock was an hour ahead wrote it, into the only partition there is.
    kafka, retry = {"partitions": 1}, RETRY | {"plan": ["1s"]}
    with world(broker, prefix, tmp_path, {"crm": {}}, kafka=kafka, retry=retry) as w:
        w.start_worker()
        delay(w, "1s", int(time.time() + 3600) * 1000)
        w.send(*[track(f"e{number}", FAILS_ONCE) for number in range(20)])

        assert_books_balance(w, once=True)
        assert not w.there.arrivals("by-hand-0")


def test_memory_does_not_grow_with_the_number_of_delayed_events(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    retry = RETRY | {"tiers": ["1s", "1h"], "plan": ["1s"]}
    with world(broker, prefix, tmp_path, {"crm": {}}, retry=retry) as w:
        # Given a worker with its hands full of delayed events
        worker = w.start_worker()
        in_an_hour, padding = int(time.time() + 3600) * 1000, "x" * EVENT_BYTES
        delay(w, "1h", *[in_an_hour] * 2000, padding=padding)
        w.send(*[track(f"before-{number}") for number in range(500)])
        assert_books_balance(w)
        full = memory_mb(worker)

        # When there are ten times as many
        delay(w, "1h", *[in_an_hour] * MANY, padding=padding)
        w.send(*[track(f"after-{number}") for number in range(500)])
        assert_books_balance(w)

        # Then it holds no more of them, and works on
        grown_by = memory_mb(worker) - full
        assert grown_by < MANY * EVENT_BYTES / 4 / 2**20
