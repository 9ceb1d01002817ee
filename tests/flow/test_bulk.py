"""Records for a destination that takes nothing: written together; nobody is told before they are written."""

import asyncio

import pytest

from streams import bulk
from streams.bulk import Bulk
from streams.dispatch import Tasks
from streams.producer import Outgoing
from tests.flow.post import Post


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


async def test_what_comes_for_a_topic_within_a_while_is_one_write(late: Bulk, post: Counting) -> None:
    await asyncio.gather(*(late.send(records("a", b"%d" % number)) for number in range(5)))

    assert [[record.value for record in write] for write in post.writes] == [[b"0", b"1", b"2", b"3", b"4"]]


async def test_each_topic_is_written_by_itself_and_who_sent_to_several_waits_for_all(
    late: Bulk, post: Counting
) -> None:
    await late.send([*records("a", b"1"), *records("b", b"2"), *records("a", b"3")])

    assert sorted([record.value for record in write] for write in post.writes) == [[b"1", b"3"], [b"2"]]


async def test_many_are_written_at_once(late: Bulk, post: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    monkeypatch.setattr(bulk, "MOST", 3)

    async with asyncio.timeout(5):
        await asyncio.gather(late.send(records("a", b"1", b"2")), late.send(records("a", b"3")))

    assert len(post.writes) == 1


async def test_nobody_is_told_before_it_is_written(late: Bulk, post: Counting) -> None:
    post.open.clear()
    sending = asyncio.ensure_future(late.send(records("a", b"1")))
    async with asyncio.timeout(5):
        while not post.writes:
            await asyncio.sleep(0.001)
    assert not sending.done()

    post.open.set()
    await sending
    assert post.sent == records("a", b"1")


async def test_what_can_not_be_written_is_said_to_all_who_sent_it_and_to_nobody_else(
    late: Bulk, post: Counting
) -> None:
    post.trouble = [RuntimeError("no broker")]

    ends = await asyncio.gather(
        late.send(records("a", b"1")), late.send(records("a", b"2")), return_exceptions=True
    )
    await late.send(records("a", b"3"))

    assert [str(end) for end in ends] == ["no broker", "no broker"]
    assert post.sent == records("a", b"3")


async def test_one_who_gives_up_takes_nothing_from_the_others(late: Bulk, post: Counting) -> None:
    gone = asyncio.ensure_future(late.send(records("a", b"1")))
    stays = asyncio.ensure_future(late.send(records("a", b"2")))
    await asyncio.sleep(0)

    gone.cancel()
    await stays

    assert [record.value for record in post.sent] == [b"1", b"2"]
