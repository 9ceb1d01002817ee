"""The ways to a destination's hosts: judged addresses, and an HTTP client pinned to each that is used.

pyreqwest resolves names by itself and cannot be told how, but `.resolve(host, ip, port)` makes it ask
nobody for one host. So there is a client (and with it a connection pool) per host and address.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyreqwest.client import Client, ClientBuilder

from streams.http import addresses, faults
from streams.http.addresses import Address
from streams.http.faults import Fault

#: How long an answer of the resolver is used. getaddrinfo tells no TTL.
FRESH_S = 60.0
#: After a connection failure the resolver is asked again, but not more often than this.
REFRESH_S = 1.0
#: A destination has one host, or a few where an event names it. The oldest makes room.
MOST_HOSTS = 64


@dataclass(slots=True)
class Host:
    """One host: the addresses it may be reached at, the one in use first."""

    name: str
    build: Callable[[], ClientBuilder]
    addresses: Sequence[Address] = ()
    resolved_at: float = 0.0
    #: Something could not be reached: ask the resolver again soon.
    doubted: bool = False
    clients: dict[Address, Client] = field(default_factory=dict)
    #: What a look at the certificate told; forgotten when the name is resolved anew.
    verdicts: dict[int, str] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        return self.addresses[0]

    @property
    def client(self) -> Client:
        """The client that connects to `address` and nowhere else."""
        if self.address not in self.clients:
            # Port 0 stands for the URL's own port.
            self.clients[self.address] = self.build().resolve(self.name, str(self.address), 0).build()
        return self.clients[self.address]

    def fresh(self, now: float) -> bool:
        return now < self.resolved_at + (REFRESH_S if self.doubted else FRESH_S)

    def update(self, found: Sequence[Address], now: float) -> None:
        """Take what the resolver says; the address in use stays in use if it is still among them."""
        first = [self.address] if self.addresses and self.address in found else []
        self.addresses = [*first, *(address for address in found if address not in first)]
        self.clients = {address: client for address, client in self.clients.items() if address in found}
        self.verdicts.clear()
        self.resolved_at, self.doubted = now, False

    def leave(self, address: Address) -> None:
        """That address could not be reached: the next one's turn, unless another request saw to it."""
        self.doubted = True
        if self.address == address:
            self.addresses = [*self.addresses[1:], address]


class Hosts:
    """The hosts of one destination. Each name is looked up once at a time, whoever asks."""

    def __init__(self, build: Callable[[], ClientBuilder], allow_private: bool) -> None:
        self._build = build
        self._allow_private = allow_private
        self._hosts: dict[str, Host] = {}
        self._lookups: dict[str, asyncio.Task[Host | Fault]] = {}

    async def find(self, host: str, deadline: float) -> Host | Fault:
        """What is known of a host, resolved now where it must be; a resolver that is too slow has failed."""
        now = time.monotonic()
        entry = self._hosts.get(host)
        if entry and entry.fresh(now):
            return entry
        lookup = self._lookups.get(host) or self._begin(host)
        # Waited for, never cancelled: others wait for it too, and its thread cannot be stopped.
        await asyncio.wait((lookup,), timeout=deadline - now)
        if lookup.cancelled():
            return faults.CLOSED
        return lookup.result() if lookup.done() else Fault("EAI_AGAIN")

    def _begin(self, host: str) -> asyncio.Task[Host | Fault]:
        lookup = asyncio.create_task(self._look_up(host), name=f"resolve {host}")
        self._lookups[host] = lookup
        lookup.add_done_callback(lambda _: self._lookups.pop(host, None))
        return lookup

    async def _look_up(self, host: str) -> Host | Fault:
        found = await addresses.find(host, self._allow_private)
        if isinstance(found, Fault):
            self._hosts.pop(host, None)
            return found
        entry = self._hosts.get(host) or self._open(host)
        entry.update(found, time.monotonic())
        return entry

    def _open(self, host: str) -> Host:
        while len(self._hosts) >= MOST_HOSTS:
            self._hosts.pop(next(iter(self._hosts)))
        self._hosts[host] = Host(host, self._build)
        return self._hosts[host]

    async def close(self) -> None:
        """Abandon lookups and requests in flight, and close idle connections."""
        for lookup in self._lookups.values():
            lookup.cancel()
        for entry in self._hosts.values():
            for client in entry.clients.values():
                await client.close()
        # pyreqwest keeps idle connections open until the client itself is gone.
        self._hosts.clear()
