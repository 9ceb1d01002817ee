"""Every row of the table of errors, made to happen on a real socket; those of TLS are in test_tls.py."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from connectors.answers import Answer, Outcome, outcome_of
from connectors.base import Request
from streams.request import Client
from tests.flow import sockets
from tests.flow.sockets import OK, Line, Script, answers, post, serving, trickles, until

TIMEOUT_S = 0.4
CONNECT_TIMEOUT_S = 0.2
#: What a machine with other things to do may add.
SLACK_MS = 500


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


@pytest.fixture
async def hasty() -> AsyncIterator[Client]:
    client = Client(timeout_s=TIMEOUT_S, connect_timeout_s=CONNECT_TIMEOUT_S, allow_private=True)
    yield client
    await client.close()


def assert_retried(answer: Answer, error: str, *, sent: bool) -> None:
    assert (answer.error, answer.sent, answer.status) == (error, sent, None)
    assert outcome_of(answer) is Outcome.RETRY
    assert answer.ambiguous is sent


async def test_nobody_listens(client: Client) -> None:
    assert_retried(await client.send(post(sockets.closed_port())), "ECONNREFUSED", sent=False)


@pytest.mark.parametrize("script", [sockets.closes, sockets.resets, answers(b"HTTP/1.1 20")])
async def test_the_connection_ends_before_the_answer(client: Client, script: Script) -> None:
    async with serving(script) as peer:
        assert_retried(await client.send(post(peer)), "ECONNRESET", sent=True)
    assert peer.connections == 1


async def test_the_connection_ends_as_soon_as_it_is_made(client: Client) -> None:
    async def resets_at_once(line: Line) -> None:
        line.reset()

    async with serving(resets_at_once) as peer:
        # Whether some of the request was on its way by then is a matter of luck.
        assert (await client.send(post(peer))).error == "ECONNRESET"


@pytest.mark.parametrize(
    "script",
    [
        sockets.hangs,
        # Slow headers, and a server that is always about to answer.
        trickles(b"HTTP/1.1 200 OK\r\n", b"x: 1\r\n"),
        trickles(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_no_answer_comes_in_time(hasty: Client, script: Script) -> None:
    async with serving(script) as peer:
        answer = await hasty.send(post(peer))
        assert_retried(answer, "ESOCKETTIMEDOUT", sent=True)
        assert 1000 * TIMEOUT_S - 50 < answer.elapsed_ms < 1000 * TIMEOUT_S + SLACK_MS
        await until(lambda: peer.open == 0)


async def test_a_request_that_is_not_taken_ends_in_time(hasty: Client) -> None:
    async def reads_nothing(line: Line) -> None:
        await asyncio.sleep(60)

    async with serving(reads_nothing) as peer:
        answer = await hasty.send(post(peer, bytes(20_000_000)))
    assert_retried(answer, "ESOCKETTIMEDOUT", sent=True)


async def test_an_answer_before_the_end_of_the_request_counts(client: Client) -> None:
    async def too_large(line: Line) -> None:
        await line.reader.readuntil(b"\r\n\r\n")
        await line.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await sockets.hangs(line)

    async with serving(too_large) as peer:
        assert (await client.send(post(peer, bytes(20_000_000)))).status == 413


async def test_no_connection_comes_in_time(hasty: Client) -> None:
    with sockets.full_backlog() as peer:
        answer = await hasty.send(post(peer))
    assert_retried(answer, "ETIMEDOUT", sent=False)
    assert 1000 * CONNECT_TIMEOUT_S - 50 < answer.elapsed_ms < 1000 * CONNECT_TIMEOUT_S + SLACK_MS


async def test_a_connect_timeout_longer_than_the_timeout_is_still_told_from_it() -> None:
    client = Client(timeout_s=TIMEOUT_S, connect_timeout_s=5, allow_private=True)
    with sockets.full_backlog() as peer:
        assert_retried(await client.send(post(peer)), "ETIMEDOUT", sent=False)
    await client.close()


async def test_a_name_that_does_not_exist(client: Client) -> None:
    answer = await client.send(Request("POST", "https://nothing.invalid/", {}, b""))
    assert_retried(answer, "ENOTFOUND", sent=False)


@pytest.mark.parametrize("ending", ["fin", "rst"])
async def test_an_idle_connection_that_was_closed_fails_nothing(client: Client, ending: str) -> None:
    async def once(line: Line) -> None:
        await line.request()
        await line.send(OK)
        if ending == "rst":
            await line.quiet()
            line.reset()

    async with serving(once) as peer:
        for n in range(1, 5):
            assert (await client.send(post(peer))).status == 200
            await until(lambda: peer.open == 0)
            await asyncio.sleep(0.02)
            assert len(peer.requests) == n
    assert peer.connections == 4


@pytest.mark.parametrize("script", [answers(OK, then=sockets.closes), answers(OK, then=sockets.resets)])
async def test_a_request_is_never_sent_twice_by_itself(client: Client, script: Script) -> None:
    async with serving(script) as peer:
        # Given a pooled connection
        assert (await client.send(post(peer, b"first"))).status == 200
        # When the server takes the next request on it and closes
        answer = await client.send(post(peer, b"second"))
        await asyncio.sleep(0.05)
    # Then that is told as it is, and nothing is sent behind our back
    assert_retried(answer, "ECONNRESET", sent=True)
    assert peer.requests == [b"first", b"second"]
    assert peer.connections == 1


async def test_an_idle_connection_is_not_used_after_the_time_servers_keep_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.http.pool.IDLE_S", 0.1)
    client = Client(allow_private=True)
    async with serving(sockets.accepts) as peer:
        await client.send(post(peer))
        await asyncio.sleep(0.15)
        await client.send(post(peer))
    assert peer.connections == 2
    await client.close()
