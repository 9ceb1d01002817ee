"""The `distributary` command, broken on purpose: MUTANT=release-early python -m tests.integration.mutants

Each mutant is a mistake that somebody could make; tests/integration/test_verify_catches*.py show that
`distributary verify` finds it. A check that cannot fail is worth nothing.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors import answers
from streams import cli, clock, headers
from streams.delay import Delay
from streams.deliver import Delivery, Lane
from streams.flight import Batch
from streams.headers import Header, Tracking
from streams.http import certificates
from streams.letters import Letters
from streams.request import Client
from streams.transport import Consumer

#: How much too early records are released, seconds.
EARLY_S = 0.25


def commit_before_settle() -> None:
    """A record counts as finished when its request is made, not when its outcome is written."""
    deliver = Delivery._deliver

    async def hasty(self: Delivery, lane: Lane, batch: Batch, chunk: range) -> None:
        for index in chunk:
            batch.done(index)
        await deliver(self, lane, batch, chunk)

    Delivery._deliver = hasty  # type: ignore[method-assign]


def forget_source() -> None:
    """Records do not say where they came from."""
    write = headers.write

    def forgetful(tracking: Tracking, own: Iterable[Header] = ()) -> list[Header]:
        return [header for header in write(tracking, own) if header[0] != "distributary.source"]

    headers.write = forgetful


def release_early() -> None:
    """The clock of the delay agents is fast."""
    make = Delay.__init__

    def fast(self: Delay, *args: Any, **more: Any) -> None:
        more["clock"] = lambda: time.time() + EARLY_S
        make(self, *args, **more)

    Delay.__init__ = fast  # type: ignore[method-assign]


def drop_on_revoke() -> None:
    """What is in hand when partitions are given back counts as finished."""
    drain = Consumer.drain

    async def careless(self: Consumer) -> None:
        for _, flight in self.flights:
            for batch in [*flight.batches]:  # each that is done leaves the flight
                batch.done_all()
        await drain(self)

    Consumer.drain = careless  # type: ignore[method-assign]


def trust_anybody() -> None:
    """Certificates are not looked at."""
    trust = certificates.trust

    def careless(ca_file: str | None) -> ssl.SSLContext:
        context = trust(ca_file)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    certificates.trust = careless  # type: ignore[assignment]


def take_refused_for_final() -> None:
    """Nobody listens: nobody ever will."""
    answers.REJECTED_ERRORS |= {"ECONNREFUSED"}


def keep_whole_bodies() -> None:
    """An answer is kept as long as it is."""
    make = Client.__init__

    def greedy(self: Client, **more: Any) -> None:
        make(self, **more | {"body_limit": 1 << 40})

    Client.__init__ = greedy  # type: ignore[method-assign]


def go_by_the_wall_clock() -> None:
    """Whatever the machine's clock is set to, that is the time."""
    make = Delay.__init__

    def naive(self: Delay, *args: Any, **more: Any) -> None:
        make(self, *args, **more | {"clock": lambda: time.time()})

    Delay.__init__ = naive  # type: ignore[method-assign]
    clock.now = lambda: time.time()


def forget_what_is_too_large() -> None:
    """A record that its topic does not take is nobody's any more."""

    async def careless(self: Letters, refused: Any) -> None:
        return None

    Letters._bury = careless  # type: ignore[method-assign]


MUTANTS: Mapping[str, Callable[[], None]] = {
    "commit-before-settle": commit_before_settle,
    "forget-source": forget_source,
    "release-early": release_early,
    "drop-on-revoke": drop_on_revoke,
    "trust-anybody": trust_anybody,
    "take-refused-for-final": take_refused_for_final,
    "keep-whole-bodies": keep_whole_bodies,
    "go-by-the-wall-clock": go_by_the_wall_clock,
    "forget-what-is-too-large": forget_what_is_too_large,
}

if __name__ == "__main__":
    if mutant := os.environ.get("MUTANT"):
        MUTANTS[mutant]()
    cli.main()
