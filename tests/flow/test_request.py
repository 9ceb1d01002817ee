"""What destinations answer, and what becomes of it. All on real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from connectors.answers import Answer, Outcome, outcome_of
from connectors.base import Request
from streams.http import watch
from streams.http.watch import WATCH_S
from streams.request import Client
from tests.flow import sockets
from tests.flow.sockets import OK, answers, post, serving, until


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


async def test_a_request_arrives_as_it_was_made(client: Client) -> None:
    async with serving(sockets.accepts) as peer:
        answer = await client.send(Request("PUT", f"{peer.url}?a=b%20c", {"X-Event": "é"}, b"body"))
    assert peer.requests == [b"body"]
    [head] = peer.heads
    assert head.startswith(b"PUT /hook?a=b%20c HTTP/1.1\r\n")
    assert "x-event: é" in head.decode().lower()
    assert b"host: 127.0.0.1:" in head.lower()
    # Nobody is invited to compress, and nothing is remembered of earlier answers.
    assert b"accept-encoding" not in head.lower()
    assert (answer.status, answer.body, answer.error, answer.sent) == (200, b"ok", None, True)
    assert answer.headers == {"content-length": "2"}


@pytest.mark.parametrize(
    ("line", "status", "outcome"),
    [
        (b"HTTP/1.1 200 OK", 200, Outcome.DELIVERED),
        (b"HTTP/1.0 200 OK", 200, Outcome.DELIVERED),
        (b"HTTP/1.1 204 No Content", 204, Outcome.DELIVERED),
        (b"HTTP/1.1 299 ", 299, Outcome.DELIVERED),
        (b"HTTP/1.1 408 Request Timeout", 408, Outcome.RETRY),
        (b"HTTP/1.1 429 Too Many Requests", 429, Outcome.RETRY),
        (b"HTTP/1.1 500 Oops", 500, Outcome.RETRY),
        (b"HTTP/1.1 599 Oops", 599, Outcome.RETRY),
        (b"HTTP/1.1 401 Unauthorized", 401, Outcome.CREDENTIALS),
        (b"HTTP/1.1 403 Forbidden", 403, Outcome.CREDENTIALS),
        (b"HTTP/1.1 418 I'm a teapot", 418, Outcome.REJECTED),
        (b"HTTP/1.1 501 Not Implemented", 501, Outcome.REJECTED),
        (b"HTTP/1.1 304 Not Modified", 304, Outcome.REJECTED),
        (b"HTTP/1.1 101 Switching Protocols", 101, Outcome.REJECTED),
        # What is said before the answer is not the answer.
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", 200, Outcome.DELIVERED),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 503 No", 503, Outcome.RETRY),
    ],
)
async def test_a_status_is_taken_as_it_is(client: Client, line: bytes, status: int, outcome: Outcome) -> None:
    async with serving(answers(line + b"\r\ncontent-length: 0\r\n\r\n")) as peer:
        answer = await client.send(post(peer))
    assert (answer.status, answer.error, outcome_of(answer)) == (status, None, outcome)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"HTTP/1.1 99 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 099 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 600 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 999 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 1000 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 -200 Nope\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"HTTP/1.1 OK\r\n\r\n", "HPE_INVALID_STATUS"),
        (b"hello, who is this?\r\n\r\n", "HPE_INVALID_CONSTANT"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HPE_INVALID_CONSTANT"),
        (b"ICY 200 OK\r\n\r\n", "HPE_INVALID_CONSTANT"),
        (b"\x00\x01\x02\xff", "HPE_INVALID_CONSTANT"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HPE_INVALID_CONSTANT"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HPE_INVALID_CONSTANT"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "HPE_INVALID_CONSTANT"),
        # Two lengths, or two framings: where the answer ends is a matter of opinion.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc", "HPE_INVALID_CONSTANT"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc", "HPE_INVALID_CONSTANT"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HPE_INVALID_CONSTANT",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 200 + b"\r\n", "HPE_HEADER_OVERFLOW"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 1_000_000 + b"\r\n\r\n", "HPE_HEADER_OVERFLOW"),
    ],
)
async def test_what_is_not_http_is_rejected(client: Client, reply: bytes, error: str) -> None:
    async with serving(answers(reply)) as peer:
        answer = await client.send(post(peer))
    assert (answer.status, answer.error, answer.sent) == (None, error, True)
    assert outcome_of(answer) is Outcome.REJECTED
    assert not answer.ambiguous


async def test_a_redirect_is_never_followed(client: Client) -> None:
    async with serving(sockets.accepts) as canary:
        to = canary.url.encode()
        for status in (b"301", b"302", b"303", b"307", b"308"):
            reply = b"HTTP/1.1 %b Go\r\nlocation: %b\r\nrefresh: 0;url=%b\r\n\r\n" % (status, to, to)
            async with serving(answers(reply)) as peer:
                answer = await client.send(post(peer))
            assert answer.status == int(status)
            assert outcome_of(answer) is Outcome.REJECTED
    assert canary.connections == 0


async def test_no_cookie_is_kept_and_no_referrer_told(client: Client) -> None:
    reply = OK.replace(b"\r\n\r\n", b"\r\nset-cookie: a=b\r\n\r\n")
    async with serving(answers(reply, reply)) as peer:
        await client.send(post(peer))
        await client.send(post(peer))
    assert len(peer.heads) == 2
    assert all(b"cookie" not in head.lower() and b"referer" not in head.lower() for head in peer.heads)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(sockets.accepts) as proxy, serving(sockets.accepts) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        client = Client(allow_private=True)
        assert (await client.send(post(peer))).status == 200
        await client.close()
    assert (proxy.connections, peer.connections) == (0, 1)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request("POST", "not a url", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "http://", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "http://a b/", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "http://127.0.0.1:99999/", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "ftp://127.0.0.1/", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "file:///etc/passwd", {}, b""), "ERR_INVALID_URL"),
        (Request("POST", "http://127.0.0.1:1/", {"x": "hunter2\r\ny: 1"}, b""), "ERR_INVALID_CHAR"),
        (Request("POST", "http://127.0.0.1:1/", {"x y": "1"}, b""), "ERR_INVALID_CHAR"),
        (Request("P T", "http://127.0.0.1:1/", {}, b""), "ERR_INVALID_CHAR"),
    ],
)
async def test_what_cannot_be_sent_is_rejected(client: Client, request_: Request, error: str) -> None:
    answer = await client.send(request_)
    assert (answer.error, answer.sent, outcome_of(answer)) == (error, False, Outcome.REJECTED)


async def test_even_what_nobody_foresaw_is_an_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def find(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("streams.http.addresses.find", find)
    answer = await client.send(Request("POST", "http://hook.example/", {}, b""))
    assert (answer.code, outcome_of(answer)) == ("UNKNOWN", Outcome.RETRY)
    assert "request.unforeseen" in caplog.text
    assert "hunter2" not in caplog.text


async def test_requests_do_not_wait_for_each_other() -> None:
    # Given 60 requests that hang
    client = Client(timeout_s=5, allow_private=True, in_flight=2)
    async with serving(sockets.hangs) as slow, serving(sockets.accepts) as peer:
        hanging = [asyncio.create_task(client.send(post(slow))) for _ in range(60)]
        await until(lambda: slow.connections == 60)
        # When one more is sent, then it is answered meanwhile
        assert (await client.send(post(peer))).status == 200
        assert not any(task.done() for task in hanging)
        await client.close()
        assert {answer.code for answer in await asyncio.gather(*hanging)} == {"ECONNABORTED"}


async def test_closing_closes_idle_connections_and_refuses_what_comes_later() -> None:
    client = Client(allow_private=True)
    async with serving(sockets.accepts) as peer:
        await client.send(post(peer))
        assert peer.open == 1
        await client.close()
        await until(lambda: peer.open == 0)
        late = await client.send(post(peer))
        assert (late.error, late.sent) == ("ECONNABORTED", False)
    assert len(peer.requests) == 1


async def test_closing_gives_up_what_is_in_flight() -> None:
    client = Client(allow_private=True)
    async with serving(sockets.hangs) as peer:
        hanging = asyncio.create_task(client.send(post(peer)))
        await until(lambda: peer.open == 1)
        await client.close()
        answer = await hanging
    assert (answer.error, answer.sent, answer.ambiguous) == ("ECONNABORTED", True, True)


async def test_cancelling_ends_the_request() -> None:
    client = Client(timeout_s=60, allow_private=True)
    async with serving(sockets.hangs) as peer:
        task = asyncio.create_task(client.send(post(peer)))
        await until(lambda: peer.open == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: peer.open == 0)
    await client.close()


async def test_those_that_run_out_of_time_together_do_not_all_end_in_one_moment() -> None:
    client, ends = Client(timeout_s=0.3, allow_private=True), list[float]()

    async def send(peer: sockets.Peer) -> str:
        answer = await client.send(post(peer))
        ends.append(asyncio.get_running_loop().time())
        return answer.code

    async with serving(sockets.hangs) as peer:
        assert set(await asyncio.gather(*[send(peer) for _ in range(40)])) == {"ESOCKETTIMEDOUT"}
    assert max(ends) - min(ends) > 39 * 0.8 * WATCH_S  # a timer may be early by what the loop's clock is late
    await client.close()


async def test_however_many_run_out_of_time_those_that_are_late_all_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "LATEST_S", 0.0)
    monkeypatch.setattr(watch, "WATCH_S", 1.0)  # one by one, they would take 40 s
    client = Client(timeout_s=0.3, allow_private=True)
    async with serving(sockets.hangs) as peer, asyncio.timeout(20):
        await asyncio.gather(*[client.send(post(peer)) for _ in range(40)])
    await client.close()


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(timeout_s=0.3, allow_private=True)
    caplog.set_level(logging.DEBUG)
    secret = "hunter2"
    said: list[Answer] = []
    for script in (sockets.closes, sockets.resets, sockets.hangs, answers(b"nonsense " + OK)):
        async with serving(script) as peer:
            said.append(await client.send(post(peer, authorization=secret)))
    said.append(await client.send(Request("POST", f"http://nowhere.invalid/{secret}", {}, b"")))
    said.append(await client.send(Request("POST", "http://127.0.0.1:1/", {"x": f"{secret}\n"}, b"")))
    assert secret not in caplog.text
    assert secret not in repr(said)
    await client.close()
