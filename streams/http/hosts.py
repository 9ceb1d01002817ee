"""The ways to a destination's hosts: judged addresses, and a pool of connections to each that is used.

Nothing is looked up between the judgement and the connection: a pool connects to an address.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.http import addresses, faults
from streams.http.addresses import Address
from streams.http.faults import Fault
from streams.http.pool import Pool, Style

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
    style: Style
    addresses: Sequence[Address] = ()
    resolved_at: float = 0.0
    #: Something could not be reached: ask the resolver again soon.
    doubted: bool = False
    pools: dict[tuple[Address, int, bool], Pool] = field(default_factory=dict)
    #: Those of the address in use, by port and TLS: an address takes long to hash.
    _current: dict[tuple[int, bool], Pool] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        return self.addresses[0]

    def pool(self, port: int, tls: bool) -> Pool:
        """The connections to `address` and nowhere else."""
        current = self._current.get((port, tls))
        if current is not None:
            return current
        key = self.addresses[0], port, tls
        pool = self.pools.get(key)
        if pool is None:
            server_name = self.name.strip("[]").removesuffix(".") if tls else None
            pool = self.pools[key] = Pool(self.address, port, server_name, self.style)
        self._current[port, tls] = pool
        return pool

    def fresh(self, now: float) -> bool:
        return now < self.resolved_at + (REFRESH_S if self.doubted else FRESH_S)

    def update(self, found: Sequence[Address], now: float) -> None:
        """Take what the resolver says; the address in use stays in use if it is still among them."""
        first = [self.address] if self.addresses and self.address in found else []
        self.addresses = [*first, *(address for address in found if address not in first)]
        self._current.clear()
        for key in [key for key in self.pools if key[0] not in found]:
            self.pools.pop(key).retire()
        self.resolved_at, self.doubted = now, False

    def leave(self, address: Address) -> None:
        """That address could not be reached: the next one's turn, unless another request saw to it."""
        self.doubted = True
        if self.address == address:
            self.addresses = [*self.addresses[1:], address]
            self._current.clear()

    def retire(self) -> None:
        """Let go of all connections; those in use have their answer first."""
        for pool in self.pools.values():
            pool.retire()


class Hosts:
    """The hosts of one destination. Each name is looked up once at a time, whoever asks."""

    def __init__(self, style: Style, allow_private: bool) -> None:
        self._style = style
        self._allow_private = allow_private
        self._hosts: dict[str, Host] = {}
        self._lookups: dict[str, asyncio.Task[Host | Fault]] = {}

    def known(self, host: str) -> Host | None:
        """A host that was resolved of late."""
        entry = self._hosts.get(host)
        return entry if entry and entry.fresh(time.monotonic()) else None

    async def find(self, host: str, deadline: float) -> Host | Fault:
        """What is known of a host, resolved now where it must be; a resolver that is too slow has failed."""
        if entry := self.known(host):
            return entry
        lookup = self._lookups.get(host) or self._begin(host)
        # Waited for, never cancelled: others wait for it too, and its thread cannot be stopped.
        await _until(lookup, deadline)
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
            if gone := self._hosts.pop(host, None):
                gone.retire()
            return found
        entry = self._hosts.get(host) or self._open(host)
        entry.update(found, time.monotonic())
        return entry

    def _open(self, host: str) -> Host:
        while len(self._hosts) >= MOST_HOSTS:
            self._hosts.pop(next(iter(self._hosts))).retire()
        self._hosts[host] = Host(host, self._style)
        return self._hosts[host]

    def close(self) -> None:
        """Abandon lookups and requests in flight, and close all connections."""
        for lookup in self._lookups.values():
            lookup.cancel()
        for entry in self._hosts.values():
            for pool in entry.pools.values():
                pool.close()
        self._hosts.clear()


async def _until(lookup: "asyncio.Task[Host | Fault]", deadline: float) -> None:
    """As `asyncio.wait`, for a fraction of its cost: all that is ready for a new destination waits here."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(max(0.0, deadline - time.monotonic()), wake)
    lookup.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        if not lookup.done():
            lookup.remove_done_callback(wake)
