"""Packed batches to a cluster that keeps sequence numbers: each is written once, or given back."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from streams import express, lines
from streams.express import Express
from streams.lines import LAST_SEQUENCE, Copy, Errand, Line
from streams.packing import Content, Packed, pack
from streams.produce import Refusal, Unanswered
from tests.flow.cluster import Cluster
from tests.flow.post import until

TOO_LARGE, NO_RIGHT, TIMED_OUT, NOT_LEADER, OUT_OF_ORDER, DUPLICATE = 10, 29, 7, 6, 45, 46
NO_SUCH_PARTITION = 3


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def post(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Express]:
    monkeypatch.setattr(express, "BACKOFF_S", 0.005)
    post = Express(cluster)
    post.open()
    await until(lambda: post.partitions("a"))
    yield post
    await post.close()


def packed(*values: bytes) -> Packed:
    [one] = pack([Content(value, None, []) for value in values], 0)
    return one


def names(copies: Iterable[Copy]) -> list[str]:
    return sorted(f"{copy.topic}/{copy.partition}" for copy in copies)


async def test_one_request_writes_to_every_topic(post: Express, cluster: Cluster) -> None:
    both = packed(b"1", b"2")
    assert await post.send([("a", 0, both), ("b", 0, both), ("b", 1, packed(b"3"))]) == []
    assert cluster.logs == {"a/0": [b"1", b"2"], "b/0": [b"1", b"2"], "b/1": [b"3"]}
    assert len(cluster.requests) == 1


async def test_nothing_is_written_at_once(post: Express) -> None:
    assert await post.send([]) == []


async def test_what_comes_while_a_broker_has_a_request_goes_with_the_next(
    post: Express, cluster: Cluster
) -> None:
    cluster.open_nodes[1] = asyncio.Event()
    sends = [asyncio.create_task(post.send([("a", 0, packed(b"%d" % number))])) for number in range(3)]
    sends += [asyncio.create_task(post.send([(topic, 0, packed(b"x"))])) for topic in "bcd"]
    await until(lambda: cluster.requests)
    cluster.open_nodes[1].set()

    assert [await sending for sending in sends] == [[]] * 6
    assert cluster.logs["a/0"] == [b"0", b"1", b"2"]
    assert len(cluster.requests) == 2  # what waited for one partition, as one batch


async def waiting(post: Express, cluster: Cluster, *sent: list[tuple[str, int, Packed]]) -> list[list[Copy]]:
    """These are sent while a broker keeps us waiting; then it answers. What each sender was given back."""
    cluster.open_nodes[1] = asyncio.Event()
    before = asyncio.create_task(post.send([("a", 0, packed(b"before"))]))
    await until(lambda: cluster.requests)
    sends = [asyncio.create_task(post.send(copies)) for copies in sent]
    await asyncio.sleep(0)
    cluster.open_nodes[1].set()
    assert await before == []
    return [await one for one in sends]


async def test_what_waited_for_a_partition_is_one_batch_in_order(post: Express, cluster: Cluster) -> None:
    one, two, three = packed(b"1"), packed(b"2", b"3"), packed(b"4")
    sent = [("a", 0, one), ("b", 0, one)], [("a", 0, two), ("b", 0, two)], [("a", 0, three)]

    assert await waiting(post, cluster, *sent) == [[], [], []]
    assert await post.send([("a", 0, packed(b"5")), ("b", 0, packed(b"5"))]) == []  # the numbers are right

    assert cluster.logs["a/0"] == [b"before", b"1", b"2", b"3", b"4", b"5"]
    assert cluster.logs["b/0"] == [b"1", b"2", b"3", b"5"]
    assert len(cluster.requests) == 3


async def test_large_batches_that_waited_go_one_by_one(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = packed(b"1")
    monkeypatch.setattr(lines, "MOST_TOGETHER", 2 * one.size)
    sent = [[("a", 0, packed(b"%d" % number))] for number in range(2, 7)]

    assert await waiting(post, cluster, *sent) == [[]] * 5

    assert cluster.logs["a/0"] == [b"before", b"2", b"3", b"4", b"5", b"6"]
    assert len(cluster.requests) == 1 + 3


async def test_of_what_was_refused_together_each_sender_has_its_own_back(
    post: Express, cluster: Cluster
) -> None:
    cluster.codes["a/0"] += [0, TOO_LARGE]
    sent = [("a", 0, packed(b"1")), ("b", 0, packed(b"1"))], [("a", 0, packed(b"2"))]

    first, second = await waiting(post, cluster, *sent)

    assert [copy.packed.contents[0].value for copy in first + second] == [b"1", b"2"]
    assert names(first) == names(second) == ["a/0"]
    assert await post.send([("a", 0, packed(b"3"))]) == []
    assert cluster.logs == {"a/0": [b"before", b"3"], "b/0": [b"1"]}


@pytest.mark.parametrize("heard", [True, False], ids=["written", "not written"])
async def test_what_went_together_and_was_not_answered_goes_together_again(
    post: Express, cluster: Cluster, heard: bool
) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    cluster.open_nodes[1] = first
    sends = [asyncio.create_task(post.send([("a", 0, packed(b"0"))]))]
    await until(lambda: cluster.requests)
    sends += [asyncio.create_task(post.send([("a", 0, packed(b"%d" % number))])) for number in (1, 2)]
    await asyncio.sleep(0)
    cluster.open_nodes[1] = second
    first.set()
    await until(lambda: len(cluster.requests) == 2)
    (cluster.lost if heard else cluster.deaf).append(Unanswered("KafkaConnectionError"))
    sends.append(asyncio.create_task(post.send([("a", 0, packed(b"3"))])))
    second.set()

    assert [await one for one in sends] == [[]] * 4

    assert cluster.logs["a/0"] == [b"0", b"1", b"2", b"3"]
    assert cluster.requests[1] == cluster.requests[2]
    assert len(cluster.requests) == 4


async def test_what_can_not_be_put_together_is_given_back(post: Express, cluster: Cluster) -> None:
    broken = packed(b"2")
    broken.contents = [Content("no bytes", None, [])]  # type: ignore[arg-type]

    first, second = await waiting(post, cluster, [("a", 0, packed(b"1"))], [("a", 0, broken)])

    assert names(first) == names(second) == ["a/0"]
    assert cluster.logs["a/0"] == [b"before"]


async def test_a_broker_that_does_not_answer_holds_up_nobody_elses(post: Express, cluster: Cluster) -> None:
    cluster.leaders["b/0"], cluster.open_nodes[1] = 2, asyncio.Event()
    stuck = asyncio.create_task(post.send([("a", 0, packed(b"1"))]))
    assert await post.send([("b", 0, packed(b"2"))]) == []
    assert not stuck.done()
    cluster.open_nodes[1].set()
    assert await stuck == []


@pytest.mark.parametrize("heard", [True, False], ids=["written", "not written"])
async def test_what_was_not_answered_is_sent_again_as_it_was(
    post: Express, cluster: Cluster, heard: bool
) -> None:
    (cluster.lost if heard else cluster.deaf).append(Unanswered("KafkaConnectionError"))
    assert await post.send([("a", 0, packed(b"1", b"2"))]) == []
    assert await post.send([("a", 0, packed(b"3"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2", b"3"]
    assert cluster.requests[0] == cluster.requests[1]
    assert cluster.learned


@pytest.mark.parametrize("code", [NOT_LEADER, TIMED_OUT])
async def test_what_a_broker_can_not_write_now_it_writes_later(
    post: Express, cluster: Cluster, code: int
) -> None:
    cluster.codes["a/0"].append(code)
    assert await post.send([("a", 0, packed(b"1")), ("b", 0, packed(b"2"))]) == []
    assert cluster.logs == {"a/0": [b"1"], "b/0": [b"2"]}


@pytest.mark.parametrize("code", [TOO_LARGE, NO_RIGHT])
async def test_what_is_refused_is_given_back_and_the_next_has_its_number(
    post: Express, cluster: Cluster, code: int
) -> None:
    cluster.codes["a/0"].append(code)
    assert names(await post.send([("a", 0, packed(b"1")), ("b", 0, packed(b"1"))])) == ["a/0"]
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs == {"a/0": [b"2"], "b/0": [b"1"]}
    assert len(cluster.identities) == 1


@pytest.mark.parametrize("code", [TOO_LARGE, OUT_OF_ORDER, -1])
async def test_the_next_batch_never_passes_for_one_that_may_have_been_written(
    post: Express, cluster: Cluster, code: int
) -> None:
    # The first is written, and nobody hears of it; then it is refused. As many records with the same number
    # would be taken for it, confirmed and not written.
    cluster.lost.append(Unanswered("RequestTimedOutError"))
    cluster.codes["a/0"].extend([0, code])
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]
    assert len(cluster.identities) == 2


async def test_a_leader_that_stops_may_have_written_what_it_says_it_has_not(
    post: Express, cluster: Cluster
) -> None:
    cluster.codes_after["a/0"].append(NOT_LEADER)
    cluster.codes["a/0"].extend([0, TOO_LARGE])
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]


async def test_what_a_leader_has_written_and_denies_is_not_forgotten_when_it_is_gone(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "PATIENCE_S", 0.02)
    cluster.codes_after["a/0"].append(NOT_LEADER)
    cluster.leaves.add("a/0")
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    cluster.leaves.clear()
    cluster.leaders["a/0"] = 2
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]


async def test_a_broker_that_has_lost_the_partition_may_have_written_before(
    post: Express, cluster: Cluster
) -> None:
    cluster.codes_after["a/0"].append(NO_SUCH_PARTITION)
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]


async def test_what_waits_behind_a_refusal_is_not_left_waiting(post: Express, cluster: Cluster) -> None:
    asked = asyncio.Event()

    async def refused() -> tuple[int, int]:
        await asked.wait()
        raise Refusal("error 31")

    cluster.identity = refused  # type: ignore[method-assign]
    sends = [asyncio.create_task(post.send([(topic, 0, packed(b"1"))])) for topic in "ab"]
    await asyncio.sleep(0.01)
    asked.set()
    async with asyncio.timeout(5):
        assert [names(await sending) for sending in sends] == [["a/0"], ["b/0"]]


async def test_a_number_that_is_said_to_be_taken_is_believed_of_what_was_sent_before_only(
    post: Express, cluster: Cluster
) -> None:
    cluster.codes["a/0"].append(DUPLICATE)
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    cluster.lost.append(Unanswered("KafkaConnectionError"))
    cluster.codes["a/0"].extend([0, DUPLICATE])
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"2"]


async def test_what_is_not_confirmed_in_time_is_given_back(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "PATIENCE_S", 0.02)
    cluster.lost.extend([Unanswered("KafkaConnectionError")] * 20)
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]
    cluster.lost.clear()
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]


async def test_without_a_leader_it_waits_for_one(post: Express, cluster: Cluster) -> None:
    cluster.leaders["a/0"] = None
    sending = asyncio.create_task(post.send([("a", 0, packed(b"1")), ("b", 0, packed(b"2"))]))
    await until(lambda: cluster.logs["b/0"] and cluster.learned)
    assert not sending.done()
    cluster.leaders["a/0"] = 2
    assert await sending == []
    assert cluster.logs["a/0"] == [b"1"]


async def test_without_a_leader_it_does_not_wait_for_ever(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "PATIENCE_S", 0.02)
    cluster.leaders["a/0"] = None
    copies = [("a", 0, packed(b"1")), ("a", 0, packed(b"2"))]
    assert names(await post.send(copies)) == ["a/0", "a/0"]


@pytest.mark.parametrize("trouble", [Refusal("error 31"), RuntimeError("a mistake")], ids=repr)
async def test_a_refusal_that_is_about_no_topic_closes_it_for_a_while(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    monkeypatch.setattr(express, "CLOSED_S", 0.05)
    cluster.no_identity.append(trouble)
    copies = [("a", 0, packed(b"1")), ("a", 0, packed(b"2")), ("b", 0, packed(b"1"))]
    assert names(await post.send(copies)) == ["a/0", "a/0", "b/0"]
    assert post.partitions("a") == 0
    await until(lambda: post.partitions("a"))
    assert await post.send([("a", 0, packed(b"3"))]) == []
    assert cluster.logs["a/0"] == [b"3"]


async def test_an_answer_that_can_not_be_read_confirms_nothing(post: Express, cluster: Cluster) -> None:
    async def rubbish(node: int, body: bytes) -> bytes:
        return b"\x00\x00\x00\x01"

    cluster.produce = rubbish  # type: ignore[method-assign]
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]


async def test_an_answer_that_leaves_one_out_does_not_confirm_it(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "PATIENCE_S", 0.02)

    async def nothing(node: int, body: bytes) -> bytes:
        return bytes(8)

    cluster.produce = nothing  # type: ignore[method-assign]
    assert names(await post.send([("a", 0, packed(b"1"))])) == ["a/0"]


async def test_a_producer_without_a_name_yet_waits_for_it(post: Express, cluster: Cluster) -> None:
    cluster.no_identity.append(Unanswered("error 14"))
    assert await post.send([("a", 0, packed(b"1"))]) == []
    assert cluster.logs["a/0"] == [b"1"]


async def test_a_quota_is_waited_for(post: Express, cluster: Cluster) -> None:
    cluster.throttle_ms = 50
    assert await post.send([("a", 0, packed(b"1"))]) == []
    sending = asyncio.create_task(post.send([("a", 0, packed(b"2"))]))
    await asyncio.sleep(0.02)
    assert len(cluster.requests) == 1
    assert await sending == []


async def test_a_request_has_a_size(post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one = packed(b"1")
    monkeypatch.setattr(express, "MOST_OF_A_REQUEST", 2 * len(one.data))
    assert await post.send([(topic, 0, one) for topic in "abcde"]) == []
    assert len(cluster.requests) == 3


async def test_what_goes_together_counts_together(
    post: Express, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = packed(b"1")
    monkeypatch.setattr(express, "MOST_OF_A_REQUEST", 4 * len(one.data))

    await waiting(post, cluster, *[[(topic, 0, one) for topic in "bcd"]] * 2)

    assert len(cluster.requests) == 1 + 2
    assert cluster.logs["b/0"] == cluster.logs["c/0"] == cluster.logs["d/0"] == [b"1", b"1"]


async def test_until_somebody_is_there_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express, "AGAIN_S", 0.01)
    cluster = Cluster()
    cluster.not_there = 2
    post = Express(cluster)
    post.open()
    await asyncio.sleep(0)
    assert post.partitions("a") == 0
    await until(lambda: post.partitions("a"))
    assert await post.send([("a", 0, packed(b"1"))]) == []
    await post.close()
    assert post.partitions("a") == 0


async def test_who_does_not_wait_any_more_is_not_told(post: Express, cluster: Cluster) -> None:
    cluster.open_nodes[1] = asyncio.Event()
    sending = asyncio.create_task(post.send([("a", 0, packed(b"1"))]))
    await until(lambda: cluster.requests)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    cluster.open_nodes[1].set()
    assert await post.send([("a", 0, packed(b"2"))]) == []
    assert cluster.logs["a/0"] == [b"1", b"2"]


async def test_after_the_last_number_comes_the_first() -> None:
    line, errand = Line("a", 0), Errand(4, asyncio.get_running_loop().create_future())
    line.identity = (1, 0)
    for first, then in [(LAST_SEQUENCE - 1, 1), (LAST_SEQUENCE, 2), (LAST_SEQUENCE - 2, 0), (0, 3)]:
        line.copies.append(Copy("a", 0, packed(b"1", b"2", b"3"), errand))
        line.sequence = first
        line.data((1, 0), {})
        line.written()
        assert line.sequence == then
    assert errand.future.done()


async def test_a_topic_that_nobody_knows_yet_is_asked_for_and_less_and_less_often(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "AGAIN_S", 0.1)
    cluster.count, post = 0, Express(cluster)
    post.open()
    await until(lambda: post._open)
    assert [post.partitions("new") for _ in range(3)] == [0, 0, 0]
    assert cluster.learned == 1

    await asyncio.sleep(0.15)
    assert [post.partitions("new"), post.partitions("new")] == [0, 0]
    assert cluster.learned == 2
    await asyncio.sleep(0.15)
    assert post.partitions("new") == 0
    assert cluster.learned == 2
    cluster.count = 2
    assert post.partitions("new") == 2
    await post.close()
