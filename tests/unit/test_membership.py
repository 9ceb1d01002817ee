"""aiokafka as a member of the group that fetches nothing, without a broker."""

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import GroupAuthorizationFailedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import membership
from streams.membership import ConsumerThread, fetch_nothing


def stopping(monkeypatch: pytest.MonkeyPatch, stop: Callable[[], Any]) -> ConsumerThread:
    """A thread whose aiokafka stops in this way."""

    async def on_thread_stop(_: Any) -> None:
        await stop()

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "on_thread_stop", on_thread_stop)
    return ConsumerThread.__new__(ConsumerThread)


def watching(told: list[Exception]) -> ConsumerThread:
    """A thread whose consumer on the main thread notes what it is told."""
    thread = ConsumerThread.__new__(ConsumerThread)
    thread.consumer = SimpleNamespace(refused=told.append)
    thread.parent_loop = asyncio.get_running_loop()
    return thread


async def test_what_the_coordinator_refuses_is_told_once_whatever_aiokafka_said_before() -> None:
    # Given aiokafka's own fetcher, as far as it tells those who wait
    subscriptions, told = SubscriptionState(), list[Exception]()
    fetching: Any = Fetcher.__new__(Fetcher)
    fetching._loop, fetching._fetch_waiters = asyncio.get_running_loop(), set()
    subscriptions.register_fetch_waiters(fetching._fetch_waiters)
    watch = asyncio.ensure_future(watching(told)._watch(fetching))
    await asyncio.sleep(0)

    # When it wakes them for nothing, and then for good
    for waiter in list(fetching._fetch_waiters):
        fetching._notify(waiter)
    await asyncio.sleep(0.01)
    assert told == []
    subscriptions.abort_waiters(GroupAuthorizationFailedError("distributary"))
    await asyncio.wait_for(watch, 1)
    await asyncio.sleep(0)

    # Then the consumer knows
    assert [type(error) for error in told] == [GroupAuthorizationFailedError]


async def test_a_member_that_fetches_nothing_asks_no_broker_and_is_never_idle() -> None:
    subscriptions = SubscriptionState()
    fetching: Any = Fetcher.__new__(Fetcher)
    fetching._fetch_task = None
    subscriptions._last_fetch_ended -= 3600
    assert subscriptions.fetcher_idle_time > 3000  # past max.poll.interval it would leave the group

    fetch_nothing(SimpleNamespace(_fetcher=fetching, _subscription=subscriptions))

    requests, resets, wait_s, metadata_is_old, resumed = fetching._get_actions_per_node(SimpleNamespace())
    assert (list(requests), dict(resets), metadata_is_old, list(resumed)) == ([], {}, False, [])
    assert wait_s is None  # until the assignment changes
    assert subscriptions.fetcher_idle_time == 0


@pytest.mark.parametrize("error", [RuntimeError("no broker"), asyncio.CancelledError()])
async def test_a_stop_ends_whatever_aiokafka_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    await stopping(monkeypatch, fail).on_thread_stop()

    assert caplog.messages == [f"consumer.left_in_disorder error={type(error).__name__}"]


async def test_a_stop_does_not_wait_for_a_broker_for_ever_and_ends_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(membership, "LEAVE_S", 0.02)
    thread = stopping(monkeypatch, asyncio.Event().wait)
    thread._errors = watch = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[assignment]

    async with asyncio.timeout(1):
        await thread.on_thread_stop()
        with contextlib.suppress(asyncio.CancelledError):
            await watch

    assert watch.cancelled()


# -- what we lean on -----------------------------------------------------------------------------


def test_aiokafkas_private_names_are_where_we_use_them() -> None:
    assert callable(ClusterMetadata.leader_for_partition)
    for name in ("_partition_assignment_strategy", "_fetcher", "_subscription", "_coordinator", "_client"):
        assert f"self.{name}" in inspect.getsource(AIOKafkaConsumer), f"AIOKafkaConsumer has no {name}"
    assert "_create_worker_consumer" in vars(driver.AIOKafkaConsumerThread)


def test_aiokafka_asks_that_method_alone_what_to_fetch_and_takes_five_answers_from_it() -> None:
    assert list(inspect.signature(Fetcher._get_actions_per_node).parameters) == ["self", "assignment"]
    asking = inspect.getsource(fetcher).split("self._get_actions_per_node(assignment)")
    assert len(asking) == 2, "aiokafka asks what to fetch in another place, too"
    names = ("fetch_requests", "reset_requests", "timeout", "invalid_metadata", "resume_futures")
    places = [asking[0].rindex(f"{name},") for name in names]
    assert places == sorted(places)


def test_aiokafka_counts_those_who_fetch_and_tells_those_who_wait() -> None:
    source = inspect.getsource(subscription_state)
    assert "_fetch_count == 0" in inspect.getsource(SubscriptionState.fetcher_idle_time.fget)
    assert "_fetch_waiters" in source
    assert "_fetch_waiters" in inspect.getsource(SubscriptionState.abort_waiters)
    assert "_fetch_waiters" in inspect.getsource(Fetcher._create_fetch_waiter)


async def test_the_assignment_is_made_anew_only_where_it_is_new() -> None:
    # Given what Faust asks for once per partition of each commit
    thread, subscriptions = ConsumerThread.__new__(ConsumerThread), SubscriptionState()
    thread._consumer = SimpleNamespace(assignment=subscriptions.assigned_partitions)
    assert thread.assignment() == set()
    subscriptions.assign_from_user({TopicPartition("t", 0), TopicPartition("t", 1)})

    first = thread.assignment()
    assert first == {TP("t", 0), TP("t", 1)}
    assert thread.assignment() is first

    subscriptions.unsubscribe()
    subscriptions.assign_from_user({TopicPartition("t", 1)})
    assert thread.assignment() == {TP("t", 1)}
