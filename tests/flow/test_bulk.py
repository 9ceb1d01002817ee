"""Records for a destination that takes nothing: written together; nobody is told before they are written."""

import asyncio
from collections.abc import Sequence

import pytest

from streams import bulk
from streams.bulk import Bulk
from streams.copies import Share
from streams.dispatch import GivenBack, Tasks
from streams.packing import Content
from tests.flow.post import until


class Pen:
    """Knows what was written together; writes nothing while it is closed. `trouble` is raised first."""

    def __init__(self) -> None:
        self.writes: list[list[Share]] = []
        self.sent: list[tuple[str, bytes | None]] = []
        self.trouble: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, shares: Sequence[Share]) -> None:
        self.writes.append(list(shares))
        await self.open.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        self.sent += [
            (topic, one.value) for topics, contents in shares for topic in topics for one in contents
        ]


@pytest.fixture
def pen(monkeypatch: pytest.MonkeyPatch) -> Pen:
    monkeypatch.setattr(bulk, "LATE_S", 0.02)
    return Pen()


@pytest.fixture
def late(pen: Pen) -> Bulk:
    return Bulk(pen.write, Tasks())


def share(topic: str, *values: bytes) -> Share:
    return [topic], [Content(value, None, []) for value in values]


def values(write: list[Share]) -> list[bytes | None]:
    return [one.value for _, contents in write for one in contents]


async def ours() -> bool:
    return True


async def test_what_comes_for_a_topic_within_a_while_is_one_write(late: Bulk, pen: Pen) -> None:
    await asyncio.gather(*(late.send([share("a", b"%d" % number)], ours) for number in range(5)))

    assert [values(write) for write in pen.writes] == [[b"0", b"1", b"2", b"3", b"4"]]


async def test_each_topic_is_written_by_itself_and_who_sent_to_several_waits_for_all(
    late: Bulk, pen: Pen
) -> None:
    contents = share("a", b"1", b"3")[1]
    await late.send([(["a", "b"], contents), share("c", b"2")], ours)

    assert sorted(values(write) for write in pen.writes) == [[b"1", b"3"], [b"1", b"3"], [b"2"]]


async def test_many_are_written_at_once(late: Bulk, pen: Pen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    monkeypatch.setattr(bulk, "MOST", 3)

    async with asyncio.timeout(5):
        await asyncio.gather(late.send([share("a", b"1", b"2")], ours), late.send([share("a", b"3")], ours))

    assert len(pen.writes) == 1


async def test_nobody_is_told_before_it_is_written(late: Bulk, pen: Pen) -> None:
    pen.open.clear()
    sending = asyncio.ensure_future(late.send([share("a", b"1")], ours))
    await until(lambda: pen.writes)
    assert not sending.done()

    pen.open.set()
    await sending
    assert pen.sent == [("a", b"1")]


async def test_what_can_not_be_written_together_each_writes_by_itself_and_each_has_its_own_fault(
    late: Bulk, pen: Pen
) -> None:
    pen.trouble = [RuntimeError("together"), RuntimeError("mine")]

    ends = await asyncio.gather(
        late.send([share("a", b"1")], ours), late.send([share("a", b"2")], ours), return_exceptions=True
    )

    assert sorted(map(str, ends)) == ["None", "mine"]
    assert len(pen.sent) == 1


async def test_what_is_not_ours_any_more_is_not_written_and_others_are(late: Bulk, pen: Pen) -> None:
    async def theirs() -> bool:
        return False

    ends = await asyncio.gather(
        late.send([share("a", b"1")], theirs), late.send([share("a", b"2")], ours), return_exceptions=True
    )

    assert isinstance(ends[0], GivenBack)
    assert ends[1] is None
    assert pen.sent == [("a", b"2")]


async def test_a_drain_does_not_wait_for_the_time_to_write(
    late: Bulk, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LATE_S", 60.0)
    sending = asyncio.ensure_future(late.send([share("a", b"1"), share("b", b"2")], ours))
    await asyncio.sleep(0)

    late.begin_all()

    async with asyncio.timeout(5):
        await sending
    assert len(pen.sent) == 2


async def test_nothing_is_written_once_it_is_closed(late: Bulk, pen: Pen) -> None:
    sending = asyncio.ensure_future(late.send([share("a", b"1")], ours))
    await asyncio.sleep(0)

    late.close()
    await asyncio.sleep(3 * bulk.LATE_S)

    assert not pen.sent
    sending.cancel()


async def test_one_who_gives_up_takes_nothing_from_the_others(late: Bulk, pen: Pen) -> None:
    gone = asyncio.ensure_future(late.send([share("a", b"1")], ours))
    stays = asyncio.ensure_future(late.send([share("a", b"2")], ours))
    await asyncio.sleep(0)

    gone.cancel()
    await stays

    assert [value for _, value in pen.sent] == [b"1", b"2"]
