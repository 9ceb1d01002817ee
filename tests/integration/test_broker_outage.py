"""Kafka goes away under load and comes back: workers wait for it, and nothing is lost."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streams.demo.broker import LocalKafka, signal_process
from streams.producer import Outgoing, Producer
from streams.scan import Scanner
from tests.integration.group import assert_all_committed
from tests.integration.harness import assert_books_balance, track, wait_until, world
from tests.integration.load import load
from tests.integration.scripted import Step

DESTINATIONS: Mapping[str, Mapping[str, object]] = {"crm": {}, "ads": {}}
SCRIPTS: list[list[Step]] = [[], [503, 200], [], [400], []]


def test_a_broker_that_restarts_or_dies_under_load_costs_no_event(
    own_broker: LocalKafka, prefix: str, tmp_path: Path
) -> None:
    with world(own_broker, prefix, tmp_path, DESTINATIONS) as w:
        w.start_workers(2)
        with load(w, 100, lambda number: track(f"e{number}", SCRIPTS[number % 5])) as coming:
            # An orderly restart
            coming.wait_taken(100)
            own_broker.stop()
            own_broker.start()
            coming.wait_taken(300)
            # A power cut
            own_broker.kill()
            own_broker.start()
            coming.wait_taken(300)

        assert_books_balance(w, once=False)
        assert all(worker.alive for worker in w.workers)
        assert_all_committed(w)


async def test_records_outlast_a_broker_that_is_away_beyond_their_delivery_timeout(
    own_broker: LocalKafka, caplog: pytest.LogCaptureFixture
) -> None:
    # Given records that were to be written within a second, and a broker that is away for longer
    servers = {"bootstrap.servers": own_broker.bootstrap_servers}
    admin = AdminClient(servers | {"log_level": 0})
    admin.create_topics([NewTopic("letters", 1, 1)])["letters"].result(30)
    producer = Producer(servers | {"delivery.timeout.ms": 1000})
    await producer.send([Outgoing("letters", b"before")])
    own_broker.stop()
    sending = asyncio.ensure_future(producer.send([Outgoing("letters", b"meanwhile")] * 100))
    await asyncio.to_thread(wait_until, "a timeout", lambda: "_MSG_TIMED_OUT" in caplog.text)

    # When it is back, they are written, and only then is it said that they are
    assert not sending.done()
    await asyncio.to_thread(own_broker.start)
    await asyncio.wait_for(sending, 60)
    await producer.close()


async def test_a_send_ends_when_the_broker_has_confirmed_the_last_record_and_not_before(
    own_broker: LocalKafka,
) -> None:
    # Given a broker that has the requests in its socket, and stands still
    servers = {"bootstrap.servers": own_broker.bootstrap_servers}
    admin = AdminClient(servers | {"log_level": 0})
    admin.create_topics([NewTopic("letters", 4, 1)])["letters"].result(30)
    producer = Producer(servers)
    await producer.send([Outgoing("letters", b"before")])
    assert own_broker.pid is not None
    signal_process(own_broker.pid, signal.SIGSTOP)
    sending = [
        asyncio.ensure_future(producer.send([Outgoing("letters", b"%d" % i, b"%d" % i) for i in range(100)]))
        for _ in range(10)
    ]
    await asyncio.sleep(1.5)
    assert not any(send.done() for send in sending)

    # When it goes on
    signal_process(own_broker.pid, signal.SIGCONT)
    await asyncio.wait_for(asyncio.gather(*sending), 60)

    # Then what was confirmed is there
    there = Scanner(servers, "nobody")
    ends = there.ends(there.partitions(["letters"]))
    there.close()
    assert sum(ends.values()) == 1_001
    await producer.close()
