"""Records for a destination that takes nothing: written together; nobody is told before they are written."""

import asyncio

import pytest

from streams import bulk
from streams.bulk import Bulk
from streams.dispatch import GivenBack, Tasks
from streams.producer import Outgoing
from tests.flow.post import Post, until


class Counting(Post):
    """Knows what was written together; writes nothing while it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[list[Outgoing]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, records: "list[Outgoing]") -> None:  # type: ignore[override]
        self.writes.append(list(records))
        await self.open.wait()
        await super().send(records)


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(bulk, "LATE_S", 0.02)
    return Counting()


@pytest.fixture
def late(post: Counting) -> Bulk:
    return Bulk(post.letters, Tasks())


def records(topic: str, *values: bytes) -> list[Outgoing]:
    return [Outgoing(topic, value) for value in values]


async def ours() -> bool:
    return True


async def test_what_comes_for_a_topic_within_a_while_is_one_write(late: Bulk, post: Counting) -> None:
    await asyncio.gather(*(late.send(records("a", b"%d" % number), ours) for number in range(5)))

    assert [[record.value for record in write] for write in post.writes] == [[b"0", b"1", b"2", b"3", b"4"]]


async def test_each_topic_is_written_by_itself_and_who_sent_to_several_waits_for_all(
    late: Bulk, post: Counting
) -> None:
    await late.send([*records("a", b"1"), *records("b", b"2"), *records("a", b"3")], ours)

    assert sorted([record.value for record in write] for write in post.writes) == [[b"1", b"3"], [b"2"]]


async def test_many_are_written_at_once(late: Bulk, post: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    monkeypatch.setattr(bulk, "MOST", 3)

    async with asyncio.timeout(5):
        await asyncio.gather(late.send(records("a", b"1", b"2"), ours), late.send(records("a", b"3"), ours))

    assert len(post.writes) == 1


async def test_nobody_is_told_before_it_is_written(late: Bulk, post: Counting) -> None:
    post.open.clear()
    sending = asyncio.ensure_future(late.send(records("a", b"1"), ours))
    await until(lambda: post.writes)
    assert not sending.done()

    post.open.set()
    await sending
    assert post.sent == records("a", b"1")


async def test_what_can_not_be_written_together_each_writes_by_itself_and_each_has_its_own_fault(
    late: Bulk, post: Counting
) -> None:
    post.trouble = [RuntimeError("together"), RuntimeError("mine")]

    ends = await asyncio.gather(
        late.send(records("a", b"1"), ours), late.send(records("a", b"2"), ours), return_exceptions=True
    )

    assert sorted(map(str, ends)) == ["None", "mine"]
    assert len(post.sent) == 1


async def test_what_is_not_ours_any_more_is_not_written_and_others_are(late: Bulk, post: Counting) -> None:
    async def theirs() -> bool:
        return False

    ends = await asyncio.gather(
        late.send(records("a", b"1"), theirs), late.send(records("a", b"2"), ours), return_exceptions=True
    )

    assert isinstance(ends[0], GivenBack)
    assert ends[1] is None
    assert post.sent == records("a", b"2")


async def test_a_drain_does_not_wait_for_the_time_to_write(
    late: Bulk, post: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    sending = asyncio.ensure_future(late.send([*records("a", b"1"), *records("b", b"2")], ours))
    await asyncio.sleep(0)

    late.begin_all()

    async with asyncio.timeout(5):
        await sending
    assert len(post.sent) == 2


async def test_nothing_is_written_once_it_is_closed(late: Bulk, post: Counting) -> None:
    sending = asyncio.ensure_future(late.send(records("a", b"1"), ours))
    await asyncio.sleep(0)

    late.close()
    await asyncio.sleep(3 * bulk.LATE_S)

    assert not post.sent
    sending.cancel()


async def test_one_who_gives_up_takes_nothing_from_the_others(late: Bulk, post: Counting) -> None:
    gone = asyncio.ensure_future(late.send(records("a", b"1"), ours))
    stays = asyncio.ensure_future(late.send(records("a", b"2"), ours))
    await asyncio.sleep(0)

    gone.cancel()
    await stays

    assert [record.value for record in post.sent] == [b"1", b"2"]
