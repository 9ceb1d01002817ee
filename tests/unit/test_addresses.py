import asyncio
import ipaddress
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.http import addresses
from streams.http.addresses import Standing, allowed, find, standing
from streams.http.faults import Fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.1.1.1", Standing.PUBLIC),
        ("172.15.255.255", Standing.PUBLIC),
        ("2606:4700::1111", Standing.PUBLIC),
        ("::ffff:1.1.1.1", Standing.PUBLIC),
        # Ours.
        ("127.0.0.1", Standing.PRIVATE),
        ("127.255.255.254", Standing.PRIVATE),
        ("10.1.2.3", Standing.PRIVATE),
        ("172.31.0.1", Standing.PRIVATE),
        ("192.168.0.1", Standing.PRIVATE),
        ("100.64.0.1", Standing.PRIVATE),
        ("100.127.255.255", Standing.PRIVATE),
        ("::1", Standing.PRIVATE),
        ("fd12::1", Standing.PRIVATE),
        # An IPv4 address in IPv6 clothes is where the kernel connects to.
        ("::ffff:127.0.0.1", Standing.PRIVATE),
        ("::ffff:10.0.0.1", Standing.PRIVATE),
        ("::ffff:169.254.169.254", Standing.FORBIDDEN),
        # Linux takes these for loopback.
        ("0.0.0.0", Standing.FORBIDDEN),
        ("0.1.2.3", Standing.FORBIDDEN),
        ("::", Standing.FORBIDDEN),
        ("::ffff:0.0.0.0", Standing.FORBIDDEN),
        # Metadata services.
        ("169.254.169.254", Standing.FORBIDDEN),
        ("169.254.170.2", Standing.FORBIDDEN),
        ("100.100.100.200", Standing.FORBIDDEN),
        ("168.63.129.16", Standing.FORBIDDEN),
        ("192.0.0.192", Standing.FORBIDDEN),
        ("fd00:ec2::254", Standing.FORBIDDEN),
        ("fd20:ce::254", Standing.FORBIDDEN),
        # IPv4 through a translator or a tunnel, whatever is in it.
        ("64:ff9b::7f00:1", Standing.FORBIDDEN),
        ("64:ff9b::808:808", Standing.FORBIDDEN),
        ("64:ff9b:1::1", Standing.FORBIDDEN),
        ("2002:7f00:1::1", Standing.FORBIDDEN),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Standing.FORBIDDEN),
        ("::127.0.0.1", Standing.FORBIDDEN),
        ("::ffff:0:127.0.0.1", Standing.FORBIDDEN),
        # Link-local, multicast, broadcast, reserved, documentation, benchmarks.
        ("fe80::1", Standing.FORBIDDEN),
        ("fec0::1", Standing.FORBIDDEN),
        ("ff02::1", Standing.FORBIDDEN),
        ("224.0.0.1", Standing.FORBIDDEN),
        ("239.255.255.250", Standing.FORBIDDEN),
        ("255.255.255.255", Standing.FORBIDDEN),
        ("240.0.0.1", Standing.FORBIDDEN),
        ("192.0.2.1", Standing.FORBIDDEN),
        ("198.51.100.1", Standing.FORBIDDEN),
        ("203.0.113.1", Standing.FORBIDDEN),
        ("198.18.0.1", Standing.FORBIDDEN),
        ("192.88.99.1", Standing.FORBIDDEN),
        ("2001:db8::1", Standing.FORBIDDEN),
        ("3fff::1", Standing.FORBIDDEN),
        ("100::1", Standing.FORBIDDEN),
        ("5f00::1", Standing.FORBIDDEN),
    ],
)
def test_an_address_is_judged_by_the_network_it_is_in(text: str, expected: Standing) -> None:
    assert standing(ipaddress.ip_address(text)) is expected


@given(st.ip_addresses())
def test_nothing_is_public_that_python_does_not_call_global(address: addresses.Address) -> None:
    if standing(address) is Standing.PUBLIC:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_in_ipv6_clothes(address: ipaddress.IPv4Address) -> None:
    assert standing(ipaddress.IPv6Address(f"::ffff:{address}")) is standing(address)


def test_one_address_that_is_not_allowed_taints_the_name() -> None:
    public, private = ipaddress.ip_address("1.1.1.1"), ipaddress.ip_address("10.0.0.1")
    assert allowed([public], allow_private=False)
    assert not allowed([public, private], allow_private=False)
    assert allowed([public, private], allow_private=True)
    assert not allowed([private, ipaddress.ip_address("169.254.169.254")], allow_private=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]", "0.0.0.0"])
async def test_a_literal_address_is_judged_like_a_resolved_one(host: str) -> None:
    assert await find(host, allow_private=False) == Fault("EFORBIDDENADDRESS")


async def test_a_name_has_the_addresses_the_resolver_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, "2606:4700::1111", "1.1.1.1")
    found = await find("example.com", allow_private=False)
    assert [*map(str, found)] == ["2606:4700::1111", "1.1.1.1"]  # type: ignore[arg-type]


async def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, "1.1.1.1", "10.0.0.1")
    assert await find("example.com", allow_private=False) == Fault("EFORBIDDENADDRESS")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (socket.EAI_NONAME, "ENOTFOUND"),
        (socket.EAI_NODATA, "ENOTFOUND"),
        (socket.EAI_AGAIN, "EAI_AGAIN"),
        # The resolver itself is broken: nothing is known of the name.
        (socket.EAI_FAIL, "EAI_AGAIN"),
        (socket.EAI_SYSTEM, "EAI_AGAIN"),
    ],
)
async def test_a_failed_lookup_is_named(monkeypatch: pytest.MonkeyPatch, code: int, error: str) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await find("example.com", allow_private=False) == Fault(error)


@pytest.mark.parametrize("host", ["nothing.invalid", "a..b", "a" * 70 + ".invalid"])
async def test_a_name_that_does_not_exist_is_enotfound(host: str) -> None:
    assert await find(host, allow_private=False) == Fault("ENOTFOUND")


async def test_a_slow_resolver_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a resolver that answers when it is told to
    told = threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        told.wait(5)
        return [(0, 0, 0, "", ("1.1.1.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    # When more names are looked up than the loop's thread pool has threads
    lookups = [asyncio.create_task(find(f"{n}.example.com", allow_private=False)) for n in range(40)]
    await asyncio.sleep(0.01)
    # Then the loop goes on meanwhile, and so do all of them at once
    told.set()
    async with asyncio.timeout(2):
        assert {str(found) for found in await asyncio.gather(*lookups)} == {"[IPv4Address('1.1.1.1')]"}


def resolver(monkeypatch: pytest.MonkeyPatch, *answer: str) -> None:
    rows = [(0, 0, 0, "", (address, 0)) for address in answer]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
