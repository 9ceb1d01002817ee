"""How connections are made where many requests begin at once. All on real sockets."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.answers import Answer
from streams.http.connection import Connection
from streams.http.pool import FEW
from streams.request import Client
from tests.flow import sockets
from tests.flow.sockets import Line, Peer, answers, post, serving

MANY = 50


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


async def send(client: Client, peer: Peer, count: int = MANY) -> list[Answer]:
    return await asyncio.gather(*(client.send(post(peer)) for _ in range(count)))


async def never(line: Line) -> None:
    """Takes a request and does not answer."""
    await line.request()
    await asyncio.sleep(60)


async def test_who_comes_while_some_connect_takes_what_is_let_go_of(client: Client) -> None:
    async with serving(sockets.accepts) as peer:
        found = await send(client, peer)

    assert [answer.status for answer in found] == [200] * MANY
    assert peer.connections < MANY / 2


async def test_where_answers_are_quick_a_burst_waits_for_those_that_are_there(client: Client) -> None:
    async with serving(sockets.accepts) as peer:
        await send(client, peer, 1)
        made = []
        for _ in range(6):
            before = peer.connections
            assert [answer.status for answer in await send(client, peer, 20)] == [200] * 20
            made.append(peer.connections - before)

    assert 0 in made  # whoever waits too long connects, as here after a pause of the whole machine


async def test_where_many_wait_all_the_time_there_is_a_connection_for_each_in_the_end(
    client: Client,
) -> None:
    async with serving(sockets.accepts) as peer:
        for _ in range(MANY):
            await send(client, peer)

    assert MANY / 2 < peer.connections <= MANY


async def test_where_answers_are_slow_nobody_waits_for_those_that_are_there() -> None:
    client = Client(timeout_s=60, allow_private=True)

    async def slowly(line: Line) -> None:
        await line.request()
        await asyncio.sleep(0.4)
        await line.send(sockets.OK)
        await never(line)

    async with serving(slowly) as peer:
        await send(client, peer, 1)
        sending = asyncio.ensure_future(send(client, peer, 2))
        await sockets.until(lambda: len(peer.requests) == 3, 4)  # a tenth of 60 s is 6 s
        sending.cancel()
    await client.close()


async def test_a_slow_answer_among_quick_ones_holds_nobody_up() -> None:
    client = Client(timeout_s=60, allow_private=True)
    async with serving(answers(sockets.OK, then=never)) as peer:
        await send(client, peer, 1)
        slow = asyncio.ensure_future(send(client, peer, 1))
        await sockets.until(lambda: len(peer.requests) == 2)

        async with asyncio.timeout(4):  # a tenth of 60 s is 6 s
            [quick] = await send(client, peer, 1)
        slow.cancel()
    await client.close()
    assert quick.status == 200


async def test_slow_answers_get_a_connection_each_a_moment_later(client: Client) -> None:
    async with serving(never) as peer:
        sending = asyncio.ensure_future(send(client, peer))
        async with asyncio.timeout(2):
            await sockets.until(lambda: len(peer.requests) == MANY)
        sending.cancel()


async def test_where_connections_end_after_two_answers_others_are_made_for_who_waits() -> None:
    last = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    client = Client(timeout_s=60, allow_private=True)
    async with serving(answers(sockets.OK, last)) as peer, asyncio.timeout(4):  # a tenth of 60 s is 6 s
        found = await send(client, peer)
    await client.close()

    assert [answer.status for answer in found] == [200] * MANY


async def test_who_waits_when_the_address_changes_is_still_served(client: Client) -> None:
    async def slowly(line: Line) -> None:
        for _ in range(MANY):
            await line.request()
            await asyncio.sleep(0.02)
            await line.send(sockets.OK)

    async with serving(slowly) as peer:
        sending = asyncio.ensure_future(send(client, peer))
        await sockets.until(lambda: len(peer.requests) >= 2)
        client._hosts._hosts["127.0.0.1"].retire()

        assert [answer.status for answer in await sending] == [200] * MANY


async def test_where_each_connection_ends_with_its_answer_nobody_waits_for_one(client: Client) -> None:
    async with serving(answers(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")) as peer:
        for _ in range(3):
            assert [answer.status for answer in await send(client, peer)] == [200] * MANY

    assert peer.connections == 3 * MANY


async def test_where_nobody_listens_all_are_refused(client: Client) -> None:
    found = await send(client, sockets.closed_port())

    assert {(answer.error, answer.sent) for answer in found} == {("ECONNREFUSED", False)}


async def test_a_request_that_gets_no_connection_ends_at_its_deadline() -> None:
    client = Client(timeout_s=0.5, connect_timeout_s=0.3, allow_private=True)
    with sockets.full_backlog() as peer:
        async with asyncio.timeout(2):
            found = await send(client, peer)
    await client.close()

    assert {answer.sent for answer in found} == {False}
    assert not any(answer.status for answer in found)


async def test_who_gives_up_leaves_the_turn_to_the_next(client: Client) -> None:
    async with serving(sockets.accepts) as peer:
        sending = [asyncio.ensure_future(client.send(post(peer))) for _ in range(MANY)]
        await asyncio.sleep(0)  # all have begun, and connect or wait
        for gone in sending[::2]:
            gone.cancel()
        await asyncio.sleep(0.001)
        for gone in sending[1::4]:
            gone.cancel()
        ended = await asyncio.wait_for(asyncio.gather(*sending[3::4]), 2)

    assert {answer.status for answer in ended} == {200}


async def test_closing_leaves_nobody_waiting(client: Client) -> None:
    async with serving(sockets.hangs) as peer:
        sending = asyncio.ensure_future(send(client, peer))
        await asyncio.sleep(0)
        await client.close()
        found = await asyncio.wait_for(sending, 2)
        await asyncio.sleep(0.05)

    assert not any(answer.status for answer in found)
    assert peer.connections <= FEW


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The garbage collector is off."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_what_is_closed_is_no_garbage_that_must_be_looked_for() -> None:
    """A worker looks seldom (streams/worker.py): two that refer to each other would stay for long."""
    client = Client(timeout_s=0.2, allow_private=True)
    await send(client, sockets.closed_port(), 5)
    for talk in (never, answers(sockets.OK), answers(b"nonsense")):
        async with serving(talk) as peer:
            await send(client, peer, 5)
    await client.close()
    await asyncio.sleep(0.05)

    assert [one for one in gc.get_objects() if isinstance(one, Connection)] == []
