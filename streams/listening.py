"""The brokers' time is heard once a second: that write goes by a producer which is told of each record.

All others go by one that is told of failures only, which is cheaper (`streams.ticket`).
"""

from collections.abc import Sequence

from streams import clock
from streams.producer import Outgoing, Writer

EVERY_S = 1.0


class Listening:
    """Writes records, in no particular order."""

    def __init__(self, quiet: Writer, aloud: Writer) -> None:
        self._quiet, self._aloud = quiet, aloud
        self._next = float("-inf")  #: steady seconds

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `Producer.send`."""
        now = clock.steady()
        if now < self._next:
            await self._quiet.send(records)
        else:
            self._next = now + EVERY_S
            await self._aloud.send(records)
