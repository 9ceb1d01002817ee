"""The `distributary` command, broken on purpose: MUTANT=release-early python -m tests.integration.mutants

Each mutant is a mistake that somebody could make; tests/integration/test_verify_catches.py shows that
`distributary verify` finds it. A check that cannot fail is worth nothing.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streams import cli, headers
from streams.delay import Delay
from streams.deliver import Delivery, Lane
from streams.flight import Batch
from streams.headers import Header, Tracking
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
            for batch in flight.batches:
                batch.done_all()
        await drain(self)

    Consumer.drain = careless  # type: ignore[method-assign]


MUTANTS: Mapping[str, Callable[[], None]] = {
    "commit-before-settle": commit_before_settle,
    "forget-source": forget_source,
    "release-early": release_early,
    "drop-on-revoke": drop_on_revoke,
}

if __name__ == "__main__":
    if mutant := os.environ.get("MUTANT"):
        MUTANTS[mutant]()
    cli.main()
