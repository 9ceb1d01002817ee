"""Where a request may go: the guard against a destination that points into our own network (SSRF).

A name is resolved here and every address it has is judged; `hosts` then pins the HTTP client to a
judged address, so that nothing is looked up again between the judgement and the connection.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from streams.http import faults
from streams.http.faults import Fault

Address: TypeAlias = IPv4Address | IPv6Address


class Standing(Enum):
    """What an address is to us."""

    #: On the internet: any destination may have it.
    PUBLIC = "public"
    #: In our own network: only for a destination with `allow_private`.
    PRIVATE = "private"
    #: Nothing a destination could ever be, or a cloud's metadata service: for nobody.
    FORBIDDEN = "forbidden"


#: Rows of the IANA special-purpose registries where a destination of our own may well live.
PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT; also pods and overlays of some clouds
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "fc00::/7",
        ),
    )
)

#: Looked at before PRIVATE. Metadata services hand out a machine's credentials to whoever asks.
FORBIDDEN = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # "this host": Linux connects to loopback
            "100.100.100.200/32",  # metadata: Alibaba
            "168.63.129.16/32",  # metadata: Azure's wire server, on a public address
            "169.254.0.0/16",  # link-local; metadata: AWS, Google, Azure and others
            "192.0.0.0/24",  # protocol assignments; metadata: Oracle
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "fd00:ec2::/32",  # metadata, pod credentials and more: AWS
            "fd20:ce::254/128",  # metadata: Google
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address in disguise
            "3fff::/20",  # documentation
        ),
    )
)

#: All IPv6 that is routed today. NAT64 (64:ff9b::/96), ::/96, link-local and multicast are outside.
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def standing(address: Address) -> Standing:
    """Judge one address. ::ffff:a.b.c.d is judged as a.b.c.d, which is where the kernel would connect."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in FORBIDDEN):
        return Standing.FORBIDDEN
    if any(address in network for network in PRIVATE):
        return Standing.PRIVATE
    # The last word is Python's own table, for what IANA set aside after ours was written.
    routed = address in GLOBAL_UNICAST if address.version == 6 else True
    return Standing.PUBLIC if routed and address.is_global else Standing.FORBIDDEN


def allowed(addresses: Iterable[Address], allow_private: bool) -> bool:
    """Whether all of them may be connected to. One that may not taints the name: it could be next."""
    fine = {Standing.PUBLIC, Standing.PRIVATE} if allow_private else {Standing.PUBLIC}
    return all(standing(address) in fine for address in addresses)


async def find(host: str, allow_private: bool) -> list[Address] | Fault:
    """The addresses of a host, in the order to try them; a literal address is its own.

    Args:
        host: as a WHATWG URL parser writes it: lower case, punycode, `0x7f.1` already 127.0.0.1.
        allow_private: addresses of our own network are fine.
    """
    literal = _literal(host)
    found = [literal] if literal else await _resolve(host)
    if isinstance(found, Fault) or allowed(found, allow_private):
        return found
    return Fault("EFORBIDDENADDRESS")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


async def _resolve(host: str) -> list[Address] | Fault:
    """Ask the system's resolver, in a thread of its own.

    Not in the loop's pool: a dead name server holds a thread for a minute and more (5 s times attempts,
    servers and search domains), a few such lookups would fill the pool, and exit would wait for them.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address] | Fault] = loop.create_future()

    def tell(found: list[Address] | Fault) -> None:
        if not answer.done():
            answer.set_result(found)

    def look_up() -> None:
        found = _getaddrinfo(host)
        with suppress(RuntimeError):  # the loop has closed: nobody is waiting
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    return await answer


def _getaddrinfo(host: str) -> list[Address] | Fault:
    try:
        # As bytes: a str would go through Python's IDNA codec, which has opinions of its own.
        rows = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)
    except OSError as error:
        return faults.of_lookup(error)
    return [ipaddress.ip_address(row[4][0]) for row in rows]
