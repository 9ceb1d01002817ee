"""The destination server of `distributary verify`: what it writes down, and how it misbehaves."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.base import Request
from streams.demo import ports
from streams.request import Client
from streams.verify import cast, certificates, replies
from streams.verify.cast import USUAL, Port, Role
from streams.verify.destination import Arrival, Arrivals
from streams.verify.processes import Destination
from streams.verify.script import Script
from tests.unit.test_verify_script import RULES

ROLES = (Role("plain"), Role("closing", port=Port.CLOSING), Role("tls", port=Port.TLS))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Destination]:
    process = Destination(tmp_path_factory.mktemp("there"), ROLES)
    deadline = time.monotonic() + 20
    while not all(ports.answers(number) for number in process.numbers.values()):
        assert time.monotonic() < deadline, process.text()
        time.sleep(0.01)
    yield process
    process.terminate()
    assert process.text() == ""


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=0.6, allow_private=True)
    yield client
    await client.close()


def event(id: str, *steps: Any) -> bytes:  # noqa: A002
    scripts: dict[str, Script] = {one.name: steps for one in USUAL}
    return json.dumps(cast.planned(id, {"type": "track"}, scripts, USUAL, RULES).event).encode()


def post(there: Destination, body: bytes, port: Port = Port.PLAIN) -> Request:
    return Request("POST", f"{there.url(port)}/steady", {}, body)


def arrived(there: Destination, event: str) -> list[Arrival]:
    """What was written down of an event."""
    return [one for one in Arrivals(there.record).read() if one.event == event]


async def test_it_answers_step_by_step_and_writes_down_what_came(there: Destination, client: Client) -> None:
    body = event("steps", 503, {"status": 429, "retry_after": 2}, 200)
    answers = [await client.send(post(there, body)) for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 429, 200, 200]
    found = arrived(there, "steps")
    assert [(one.to, one.taken, one.retry_after_s) for one in found] == [
        ("steady", False, 0.0), ("steady", False, 2.0), ("steady", True, 0.0), ("steady", True, 0.0)
    ]  # fmt: skip


@pytest.mark.parametrize("name", replies.NAMED)
async def test_every_bad_answer_is_what_a_worker_calls_it(
    there: Destination, client: Client, name: str
) -> None:
    answer = await client.send(post(there, event(name, name)))
    assert answer.code == replies.NAMED[name].code
    assert len(answer.body) <= 4096
    [arrival] = arrived(there, name)
    assert arrival.taken == (answer.status == 200)


async def test_a_closing_port_refuses_until_it_is_told_to_open(there: Destination, client: Client) -> None:
    # Given a connection that is kept
    assert (await client.send(post(there, event("c1", 200), Port.CLOSING))).status == 200
    # When the port closes
    there.tell(port=Port.CLOSING, open=False)
    await asyncio.sleep(0.1)  # the client learns that its connection is gone
    # Then the connection is gone and new ones are refused
    assert (await client.send(post(there, event("c2", 200), Port.CLOSING))).code == "ECONNREFUSED"
    assert arrived(there, "c2") == []
    # and with the answer to "open" it is there again
    there.tell(port=Port.CLOSING, open=True)
    assert (await client.send(post(there, event("c3", 200), Port.CLOSING))).status == 200


async def test_everybody_can_be_answered_alike_for_a_time(there: Destination, client: Client) -> None:
    there.tell(answers={"steady": 503})
    assert (await client.send(post(there, event("alike", 200)))).status == 503
    there.tell(answers={"steady": None})
    assert (await client.send(post(there, event("alike", 200)))).status == 200
    assert [one.taken for one in arrived(there, "alike")] == [False, True]


@pytest.mark.parametrize("certificate", ["good", *certificates.BAD])
async def test_every_certificate_is_what_a_worker_calls_it(there: Destination, certificate: str) -> None:
    there.tell(port=Port.TLS, certificate=certificate)
    client = Client(timeout_s=5, allow_private=True, ca_file=str(there.ca_file))
    answer = await client.send(post(there, event(certificate, 200), Port.TLS))
    await client.close()
    assert answer.code == certificates.BAD.get(certificate, "200")
    assert bool(arrived(there, certificate)) == (certificate == "good")


def test_only_who_trusts_the_authority_trusts_the_good_certificate(there: Destination) -> None:
    there.tell(port=Port.TLS, certificate="good")
    url = f"{there.url(Port.TLS)}/steady"
    trusting = ssl.create_default_context(cafile=str(there.ca_file))
    assert httpx.post(url, content=event("trust", 200), verify=trusting, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, content=event("trust", 200), verify=ssl.create_default_context(), trust_env=False)


async def test_a_request_in_pieces_and_two_in_one_are_answered_in_order(there: Destination) -> None:
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, there.numbers[Port.PLAIN])
    bodies = [event(name, {"status": status, "after": after}) for name, status, after in
              (("p1", 202, 0.1), ("p2", 503, 0.0))]  # fmt: skip
    both = b"".join(
        b"POST /steady HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(one), one) for one in bodies
    )
    for piece in (both[:7], both[7:60], both[60:]):
        writer.write(piece)
        await asyncio.sleep(0.02)
    statuses = [(await reader.readuntil(b"}"))[:12] for _ in range(2)]
    writer.close()
    assert statuses == [b"HTTP/1.1 202", b"HTTP/1.1 503"]


@pytest.mark.parametrize("rubbish", [b"hello\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{]"])
def test_who_speaks_no_http_is_hung_up_on(there: Destination, rubbish: bytes) -> None:
    with socket.create_connection((ports.LOOPBACK, there.numbers[Port.PLAIN]), 5) as connection:
        connection.sendall(rubbish)
        assert connection.recv(100) == b""


def test_the_record_is_read_from_where_it_was_and_never_half_a_line(tmp_path: Path) -> None:
    record = tmp_path / "record"
    arrivals = Arrivals(record)
    assert arrivals.read() == []
    record.write_bytes(b'[1.0,1.5,"a","e1",true,0.0]\n[2.0,2.0,"a"')
    known = arrivals.read()
    assert known == [Arrival(1.0, 1.5, "a", "e1", True)]
    with record.open("ab") as file:
        file.write(b',"e2",false,3.0]\n')
    assert arrivals.read() is known
    assert known[1] == Arrival(2.0, 2.0, "a", "e2", False, 3.0)
