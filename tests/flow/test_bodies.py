"""Bodies and headers of any size and speed: how much of them is taken in, and that a status stands."""

import gzip
from collections.abc import AsyncIterator

import pytest

from streams.request import Client
from tests.flow import sockets
from tests.flow.sockets import ENDLESS, Line, Script, answers, post, serving, trickles, until

TIMEOUT_S = 0.4
#: What a machine with other things to do may add.
SLACK_MS = 500


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


@pytest.fixture
async def hasty() -> AsyncIterator[Client]:
    client = Client(timeout_s=TIMEOUT_S, allow_private=True)
    yield client
    await client.close()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 10_000])
async def test_the_head_of_a_body_is_kept_and_the_connection_used_again(client: Client, size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    reply = b"HTTP/1.1 400 No\r\ncontent-length: %d\r\n\r\n" % size + body
    async with serving(answers(reply, reply, then=sockets.hangs)) as peer:
        assert (await client.send(post(peer))).body == body[:4096]
        assert (await client.send(post(peer))).body == body[:4096]
    assert peer.connections == 1


async def test_the_limit_of_a_body_can_be_set() -> None:
    client = Client(allow_private=True, body_limit=3)
    async with serving(answers(b"HTTP/1.1 200 OK\r\n\r\nabcdef")) as peer:
        assert (await client.send(post(peer))).body == b"abc"
    await client.close()


@pytest.mark.parametrize("head", [ENDLESS, b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"])
async def test_an_endless_body_is_not_read(client: Client, head: bytes) -> None:
    async with serving(sockets.floods(head, b"x" * 65536)) as peer:
        for _ in range(20):
            answer = await client.send(post(peer))
            assert (answer.status, answer.body) == (200, b"x" * 4096)
        # Given up, the connections are closed. Until then they took what fits the sockets' buffers.
        await until(lambda: peer.open == 0)
    assert peer.sent < 20 * 10_000_000


async def test_a_gzip_bomb_is_not_decoded(client: Client) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    async with serving(answers(head + bomb)) as peer:
        answer = await client.send(post(peer))
    assert (answer.status, answer.body) == (200, bomb[:4096])


async def test_a_slow_body_does_not_undo_its_status(hasty: Client) -> None:
    async with serving(trickles(ENDLESS, b"x")) as peer:
        answer = await hasty.send(post(peer))
    assert (answer.status, answer.error) == (200, None)
    assert set(answer.body) == set(b"x")
    assert 1000 * TIMEOUT_S - 50 < answer.elapsed_ms < 1000 * TIMEOUT_S + SLACK_MS


async def test_a_body_that_never_begins_does_not_undo_its_status(hasty: Client) -> None:
    async with serving(answers(b"HTTP/1.1 202 OK\r\ncontent-length: 9\r\n\r\n", then=sockets.hangs)) as peer:
        answer = await hasty.send(post(peer))
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    "framing",
    [
        b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        b"connection: close\r\n\r\nabc",
    ],
)
async def test_a_body_may_be_framed_in_any_way(client: Client, framing: bytes) -> None:
    async with serving(answers(b"HTTP/1.1 200 OK\r\n" + framing)) as peer:
        answer = await client.send(post(peer))
    assert (answer.status, answer.body) == (200, b"abc")


def cuts(framing: bytes, with_reset: bool) -> Script:
    async def script(line: Line) -> None:
        await line.request()
        await line.send(b"HTTP/1.1 200 OK\r\n" + framing + b"abc")
        await line.quiet()
        if with_reset:
            line.reset()

    return script


@pytest.mark.parametrize("with_reset", [False, True])
@pytest.mark.parametrize(
    "framing", [b"content-length: 100\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n9\r\n"]
)
async def test_a_truncated_body_does_not_undo_its_status(
    client: Client, framing: bytes, with_reset: bool
) -> None:
    async with serving(cuts(framing, with_reset)) as peer:
        answer = await client.send(post(peer))
    assert (answer.status, answer.body, answer.error) == (200, b"abc", None)


async def test_broken_chunks_do_not_undo_a_status(client: Client) -> None:
    async with serving(answers(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc")) as peer:
        assert (await client.send(post(peer))).status == 200


async def test_headers_are_bounded_in_number_and_size(client: Client) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"v" * 3000) for n in range(90))
    async with serving(answers(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")) as peer:
        answer = await client.send(post(peer))
    assert len(answer.headers) == 64
    assert answer.headers["x-0"] == "v" * 1024


async def test_a_name_of_a_header_is_bounded_too(client: Client) -> None:
    async with serving(answers(b"HTTP/1.1 200 OK\r\n" + b"x" * 30_000 + b": 1\r\na: 1\r\n\r\n")) as peer:
        assert (await client.send(post(peer))).headers == {"a": "1"}


async def test_a_header_that_is_not_ascii_is_left_out(client: Client) -> None:
    head = b"HTTP/1.1 503 No\r\na: \xff\r\nRetry-After: 7\r\nb: \xc3\xa9\r\nc: 1\r\nc: 2\r\n\r\n"
    async with serving(answers(head)) as peer:
        answer = await client.send(post(peer))
    assert answer.headers == {"retry-after": "7", "c": "1"}


async def test_endless_headers_are_cut_off(client: Client) -> None:
    async with serving(sockets.floods(b"HTTP/1.1 200 OK\r\nx: ", b"x" * 65536)) as peer:
        answer = await client.send(post(peer))
    assert answer.error == "HPE_HEADER_OVERFLOW"
