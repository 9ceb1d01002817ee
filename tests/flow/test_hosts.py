"""Which addresses are connected to, and when another is tried. On real sockets, with a resolver we choose."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.answers import Outcome, outcome_of
from connectors.base import Request
from streams.http import hosts
from streams.request import Client
from tests.flow import sockets
from tests.flow.sockets import Peer, post, serving, until

#: What a minute and a second are to these tests.
MINUTE_S = 0.3
SECOND_S = 0.1


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


@pytest.fixture
async def guarded() -> AsyncIterator[Client]:
    client = Client(timeout_s=5)
    yield client
    await client.close()


class Names:
    """A resolver: what each name leads to, and how often it was asked."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked = 0
        self.pause_s = 0.0

    def getaddrinfo(self, host: bytes, *_: Any, **__: Any) -> list[Any]:
        self.asked += 1
        time.sleep(self.pause_s)
        if host.decode() not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "")
        return [(0, 0, 0, "", (address, 0)) for address in self.addresses[host.decode()]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names


@pytest.fixture(autouse=True)
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FRESH_S", MINUTE_S)
    monkeypatch.setattr(hosts, "REFRESH_S", SECOND_S)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127.0.0.1.",
        "user:password@127.0.0.1",
        "example.com@127.0.0.1",
        "0.0.0.0",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::1]",
        "[::]",
        "localhost",
        "LOCALHOST",
        "lOcAlHoSt",
    ],
)
async def test_no_spelling_of_loopback_is_let_through(guarded: Client, host: str) -> None:
    async with serving(sockets.accepts) as canary:
        for path in ("/", "?", "#", "\\"):
            answer = await guarded.send(Request("POST", f"http://{host}:{canary.port}{path}", {}, b""))
            assert (answer.error, answer.sent) == ("EFORBIDDENADDRESS", False)
            assert outcome_of(answer) is Outcome.REJECTED
    assert canary.connections == 0


async def test_metadata_is_forbidden_even_where_private_addresses_are_not(
    client: Client, names: Names
) -> None:
    names.addresses = {"metadata.example": ["169.254.169.254"]}
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "metadata.example"):
        answer = await client.send(Request("GET", f"http://{host}/latest/", {}, b""))
        assert (answer.error, answer.elapsed_ms < 1000) == ("EFORBIDDENADDRESS", True)


@pytest.mark.parametrize(
    "name", ["hook.example", "hook.example.", "HOOK.example", "bücher.example", "a_b.example"]
)
async def test_a_name_leads_where_our_resolver_says_and_nowhere_else(
    client: Client, names: Names, name: str
) -> None:
    # None of these names exists: only an address that was pinned can be connected to.
    spellings = ["hook.example", "hook.example.", "xn--bcher-kva.example", "a_b.example"]
    names.addresses = {spelling: ["127.0.0.1"] for spelling in spellings}
    async with serving(sockets.accepts) as peer:
        peer.host = name
        assert (await client.send(post(peer))).status == 200


async def test_a_name_that_turns_to_a_forbidden_address_is_not_connected_to(
    client: Client, names: Names
) -> None:
    # Given a name with a pooled connection
    names.addresses = {"hook.example": ["127.0.0.1"]}
    async with serving(sockets.accepts) as peer:
        peer.host = "hook.example"
        assert (await client.send(post(peer))).status == 200
        # When it leads to a place where nobody may go
        names.addresses = {"hook.example": ["127.0.0.1", "169.254.169.254"]}
        await asyncio.sleep(1.2 * MINUTE_S)
        # Then the connection is not used either
        assert (await client.send(post(peer))).error == "EFORBIDDENADDRESS"
    assert len(peer.requests) == 1


async def test_an_address_that_refuses_gives_way_to_the_next(client: Client, names: Names) -> None:
    names.addresses = {"hook.example": ["127.0.0.2", "127.0.0.3", "127.0.0.1"]}
    async with serving(sockets.accepts) as peer:
        peer.host = "hook.example"
        # The first two are nobody's: the third answers, within the same attempt
        assert (await client.send(post(peer))).status == 200
        # And is the first to be asked from then on
        assert (await client.send(post(peer))).status == 200
    assert peer.connections == 1


async def test_an_address_that_does_not_answer_is_not_asked_again_elsewhere(
    client: Client, names: Names
) -> None:
    names.addresses = {"hook.example": ["127.0.0.1", "127.0.0.2"]}
    async with serving(sockets.closes) as peer:
        peer.host = "hook.example"
        answer = await client.send(post(peer))
    assert (answer.error, answer.sent) == ("ECONNRESET", True)
    assert len(peer.requests) == 1


async def test_a_name_is_looked_up_once_for_all_who_wait_and_again_after_a_minute(
    client: Client, names: Names
) -> None:
    names.addresses = {"hook.example": ["127.0.0.1"]}
    names.pause_s = 0.05
    async with serving(sockets.accepts) as peer:
        peer.host = "hook.example"
        await asyncio.gather(*(client.send(post(peer)) for _ in range(20)))
        assert names.asked == 1
        before = peer.connections
        await asyncio.sleep(1.2 * MINUTE_S)
        await client.send(post(peer))
        assert names.asked == 2
        # The same address: its connections are kept.
        assert peer.connections == before


async def test_a_name_is_looked_up_again_soon_after_a_connection_failed(
    client: Client, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "FRESH_S", 60)
    # Given a name whose address has gone
    names.addresses = {"hook.example": ["127.0.0.2"]}
    async with serving(sockets.accepts) as peer:
        peer.host = "hook.example"
        assert (await client.send(post(peer))).error == "ECONNREFUSED"
        # When it moves, then that is noticed, but the resolver is not asked for every request
        names.addresses = {"hook.example": ["127.0.0.1"]}
        assert (await client.send(post(peer))).error == "ECONNREFUSED"
        await asyncio.sleep(SECOND_S)
        assert (await client.send(post(peer))).status == 200
    assert names.asked == 2


async def test_a_name_that_disappears_is_not_found(client: Client, names: Names) -> None:
    names.addresses = {"hook.example": ["127.0.0.1"]}
    async with serving(sockets.accepts) as peer:
        peer.host = "hook.example"
        assert (await client.send(post(peer))).status == 200
        names.addresses = {}
        await asyncio.sleep(1.2 * MINUTE_S)
        assert (await client.send(post(peer))).error == "ENOTFOUND"


async def test_a_slow_resolver_counts_into_the_timeout(names: Names) -> None:
    client = Client(timeout_s=0.2, allow_private=True)
    names.addresses = {"hook.example": ["127.0.0.1"]}
    names.pause_s = 0.6
    sending = [client.send(post(Peer(host="hook.example", port=1))) for _ in range(3)]
    for answer in await asyncio.gather(*sending):
        assert (answer.error, answer.sent) == ("EAI_AGAIN", False)
        assert 150 < answer.elapsed_ms < 600
    await client.close()


async def test_a_lookup_that_is_closed_upon_is_over(names: Names) -> None:
    client = Client(timeout_s=5, allow_private=True)
    names.pause_s = 0.3
    sending = asyncio.create_task(client.send(post(Peer(host="hook.example", port=1))))
    await until(lambda: names.asked == 1)
    await client.close()
    assert (await sending).code == "ECONNABORTED"


async def test_many_hosts_are_served_and_few_are_remembered(client: Client, names: Names) -> None:
    names.addresses = {f"{n}.example": ["127.0.0.1"] for n in range(hosts.MOST_HOSTS + 10)}
    async with serving(sockets.accepts) as peer:
        for host in names.addresses:
            peer.host = host
            assert (await client.send(post(peer))).status == 200
        # The connections of those forgotten are closed.
        await until(lambda: peer.open <= hosts.MOST_HOSTS)
    assert peer.connections == len(names.addresses)
