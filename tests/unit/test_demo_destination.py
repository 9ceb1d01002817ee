"""The demo's destinations misbehave in the right proportions, and really do so on the wire."""

import asyncio
import datetime
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from streams.demo import misbehave
from streams.demo.books import Destination
from streams.demo.destination import DemoDestination, expiry


def first_answers(events: int) -> Counter[str]:
    """A day with three destinations, one of which gets 7.6 % of the events and whose key expires half-way."""
    share = events * 76 // 1000
    day = {
        "crm-hook": (Destination(), (events - share) // 2),
        "warehouse": (Destination(), (events - share) // 2),
        "billing": (Destination(expires=share // 2), share),
    }
    return Counter(
        destination.reply(f"{name} {event}").code
        for name, (destination, received) in day.items()
        for event in range(received)
    )


def test_first_attempts_are_answered_as_on_a_real_day() -> None:
    seen = first_answers(20_000)

    def percent(*codes: str) -> float:
        return sum(seen[code] for code in codes) / 200

    assert seen.total() == 20_000
    assert percent("200", "202", "204") == pytest.approx(92.6, abs=0.5)
    assert percent("401", "403") == pytest.approx(3.8, abs=0.01)
    assert percent("400") == pytest.approx(0.51, abs=0.15)
    assert percent("429") == pytest.approx(0.90, abs=0.2)
    assert percent("500", "502", "503", "504") == pytest.approx(1.61, abs=0.25)
    assert percent("ECONNRESET", "ESOCKETTIMEDOUT") == pytest.approx(0.32, abs=0.12)
    assert percent("418", "HPE_INVALID_STATUS", "HPE_INVALID_CONSTANT") == pytest.approx(0.26, abs=0.12)
    assert set(seen) == {reply.code for _, reply in misbehave.DAY} | {"401", "403"}


def test_the_day_leaves_room_for_the_expired_key() -> None:
    assert sum(share for share, _ in misbehave.DAY) == 10_000 - 380


def test_some_but_not_all_rate_limits_say_when_to_come_back() -> None:
    limits = [reply for _, reply in misbehave.DAY if reply.code == "429"]

    assert {b"retry-after" in reply.wire for reply in limits} == {True, False}


def test_later_attempts_mostly_succeed_and_a_few_never_do() -> None:
    # Given the events whose first attempt failed in passing
    failed = [key for key in map(str, range(50_000)) if misbehave.reply(key, 1) in misbehave.PASSING]

    # When each is tried nine more times
    second = sum(misbehave.reply(key, 2).delivered for key in failed) / len(failed)
    final = sum(any(misbehave.reply(key, n).delivered for n in range(2, 11)) for key in failed) / len(failed)

    # Then most get through at the second attempt, nearly all in the end, and some never
    assert second == pytest.approx(0.96 * 0.85, abs=0.05)
    assert final == pytest.approx(0.96, abs=0.02)


def test_what_was_rejected_stays_rejected() -> None:
    key = key_for("400")

    assert [misbehave.reply(key, attempt).code for attempt in (1, 2, 10)] == ["400"] * 3


def test_a_key_expires_after_a_number_of_events_for_old_and_new_ones() -> None:
    # Given a destination whose key is good for two events
    destination = Destination(expires=2)
    good = [key_for("200", nth) for nth in range(4)]
    assert [destination.reply(key).code for key in good[:2]] == ["200", "200"]

    # When a third comes, and the first again
    later = {destination.reply(key).code for key in (good[2], good[0])}

    # Then both are turned away until the key is renewed
    assert later <= {"401", "403"}
    destination.renew()
    assert destination.reply(good[2]).code == "200"


def test_a_key_expires_after_a_time() -> None:
    assert Destination(expires=datetime.timedelta(0)).reply("a").code in {"401", "403"}
    assert Destination(expires=datetime.timedelta(hours=1)).reply(key_for("200")).code == "200"


def test_the_books_tell_events_requests_and_repetitions_apart() -> None:
    # Given one event that needs two attempts and is then sent once more, and one that is rejected
    destination = Destination()
    passing, rejected = recovering_key("503"), key_for("400")

    for key in (passing, passing, passing, rejected):
        destination.reply(key)

    assert destination.counts() == {
        "requests": 4,
        "events": 2,
        "delivered": 1,
        "repeated": 1,
        "first": {"503": 1, "400": 1},
        "answers": {"503": 1, "200": 2, "400": 1},
        "attempts": {"1": 1, "3": 1},
    }


def test_expiry_is_written_as_a_number_of_events_or_a_duration() -> None:
    assert expiry("crm-hook=500") == ("crm-hook", 500)
    assert expiry("crm-hook=1m30s") == ("crm-hook", datetime.timedelta(seconds=90))


# On the wire


@pytest.fixture
async def server() -> AsyncIterator[DemoDestination]:
    async with DemoDestination(slow_s=0.2, expire_key_after={"expired": 0}) as destination:
        yield destination


def key_for(code: str, nth: int = 0) -> str:
    """The nth key whose first attempt gets this answer."""
    keys = (key for key in map(str, count()) if misbehave.reply(key, 1).code == code)
    for _ in range(nth):
        next(keys)
    return next(keys)


def recovering_key(code: str) -> str:
    """A key whose first attempt gets this answer, and whose second and third succeed."""
    return next(
        key
        for key in (key_for(code, nth) for nth in count())
        if misbehave.reply(key, 2).delivered and misbehave.reply(key, 3).delivered
    )


async def connect(server: DemoDestination) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.host, server.port)


def post(name: str, key: str, body: str = "{}") -> bytes:
    head = f"POST /{name} HTTP/1.1\r\nHost: x\r\nWebhook-Id: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def conversation(server: DemoDestination, *requests: bytes) -> bytes:
    """Everything the server says on one connection, closed by us after the last request."""
    reader, writer = await connect(server)
    try:
        writer.write(b"".join(requests))
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def get(server: DemoDestination, path: str) -> Any:
    answer = await conversation(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return json.loads(answer.partition(b"\r\n\r\n")[2])


ORDINARY = sorted({reply.code for _, reply in misbehave.DAY if reply.code.isdecimal()})


@pytest.mark.parametrize("code", ORDINARY)
async def test_ordinary_answers_keep_the_connection_for_the_next(server: DemoDestination, code: str) -> None:
    answers = await conversation(server, post("hook", key_for(code)), post("hook", key_for("202")))

    assert answers.startswith(f"HTTP/1.1 {code} ".encode())
    assert b"HTTP/1.1 202 Accepted" in answers


async def test_a_rejection_explains_itself(server: DemoDestination) -> None:
    answer = await conversation(server, post("hook", key_for("400")))

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"] == "properties.revenue must be a number"


async def test_an_expired_key_is_unauthorized_or_forbidden(server: DemoDestination) -> None:
    answers = {(await conversation(server, post("expired", str(n))))[:12] for n in range(20)}

    assert answers == {b"HTTP/1.1 401", b"HTTP/1.1 403"}


@pytest.mark.parametrize(
    ("code", "start"),
    [("HPE_INVALID_STATUS", b"HTTP/1.1 99 "), ("HPE_INVALID_CONSTANT", b"HTTQ/one.one ")],
)
async def test_nonsense_comes_as_it_is_and_closes(server: DemoDestination, code: str, start: bytes) -> None:
    reader, writer = await connect(server)
    writer.write(post("hook", key_for(code)))

    assert (await reader.read()).startswith(start)

    writer.close()


async def test_a_reset_loses_the_connection_after_the_request_was_read(server: DemoDestination) -> None:
    with pytest.raises(ConnectionResetError):
        await conversation(server, post("hook", key_for("ECONNRESET")))

    assert server.counts()["hook"]["answers"] == {"ECONNRESET": 1}


async def test_a_slow_answer_never_comes(server: DemoDestination) -> None:
    reader, writer = await connect(server)
    writer.write(post("hook", key_for("ESOCKETTIMEDOUT")))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(), timeout=0.1)
    assert await reader.read() == b""  # then the connection ends without one

    writer.close()


async def test_a_refused_port_refuses(server: DemoDestination) -> None:
    host, port = server.refused_url("hook").split("/")[2].split(":")

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


async def test_the_tls_port_shows_a_certificate_signed_by_itself(server: DemoDestination) -> None:
    with pytest.raises(ssl.SSLCertVerificationError) as error:
        await asyncio.open_connection(server.host, server.tls_port, ssl=ssl.create_default_context())

    assert error.value.verify_message == "self-signed certificate"


async def test_an_outage_resets_what_is_open_and_refuses_what_is_new(server: DemoDestination) -> None:
    # Given a connection in use
    reader, writer = await connect(server)
    writer.write(post("hook", key_for("200")))
    await reader.readuntil(b"\r\n\r\n")

    # When the server restarts
    outage = asyncio.create_task(server.outage(0.1))

    # Then the connection is lost, another is refused, and afterwards all is well
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    await outage
    assert b"200 OK" in await conversation(server, post("hook", key_for("200")))
    writer.close()


async def test_the_books_are_open_to_everybody(server: DemoDestination) -> None:
    key = recovering_key("503")
    await conversation(server, post("hook", key), post("hook/of/some/path?x=1", key))

    assert (await get(server, "/counts"))["hook"]["answers"] == {"503": 1, "200": 1}
    assert await get(server, "/counts/hook") == {key: ["503", "200"]}


async def test_a_key_is_renewed_over_http(server: DemoDestination) -> None:
    key = key_for("200")
    await conversation(server, post("expired", key), post("renew/expired", ""), post("expired", key))

    assert (await get(server, "/counts/expired"))[key][1] == "200"


async def test_without_a_webhook_id_the_body_tells_events_apart(server: DemoDestination) -> None:
    await conversation(server, post("hook", "", "{1}"), post("hook", "", "{2}"), post("hook", "", "{1}"))

    assert sorted(server.counts()["hook"]["attempts"].items()) == [("1", 1), ("2", 1)]


@pytest.mark.parametrize(
    "noise", [b"\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"POST /hook HTTP/1.1\r\n", b"x" * 70_000]
)
async def test_what_is_not_http_ends_only_its_own_connection(server: DemoDestination, noise: bytes) -> None:
    assert await conversation(server, noise) == b""
    assert b"200 OK" in await conversation(server, post("hook", key_for("200")))
