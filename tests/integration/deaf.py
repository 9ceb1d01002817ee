"""`distributary` with a first reader that brings nothing more from when a file of this name is there.

DEAF=FILE python -m tests.integration.deaf worker --config ...
"""

import os
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer

import streams.inflow
import streams.transport
from streams import cli

LOOK_S = 1.0


class Deaf(Consumer):  # type: ignore[misc]
    """As librdkafka's, once it stands still: no request, no error, no log line, nothing."""

    made = 0
    _deaf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Deaf.made += 1
        self._first = Deaf.made == 1

    def consume(self, *args: Any, **kwargs: Any) -> Any:
        if self._first and not self._deaf and Path(os.environ["DEAF"]).exists():
            self._deaf = True
            super().pause(self.assignment())
        return [] if self._deaf else super().consume(*args, **kwargs)


if __name__ == "__main__":
    streams.inflow.Consumer, streams.transport.LOOK_S = Deaf, LOOK_S  # type: ignore[attr-defined]
    cli.main()
