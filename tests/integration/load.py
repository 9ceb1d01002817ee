"""Events that keep coming while a test does something else."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.events import Event, track
from tests.integration.processes import wait_until
from tests.integration.world import World

#: Events written together.
CHUNK = 5


class Load:
    """Events at a steady rate, on a thread of its own; numbered e0, e1, ... unless `make` says otherwise."""

    def __init__(self, world: World, rate: float, make: Callable[[int], Event]) -> None:
        self.sent = 0
        self._world = world
        self._pace_s = CHUNK / rate
        self._make = make
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Raises what made the load end before its time."""
        self._stop.set()
        self._thread.join()
        if self._failed:
            raise self._failed

    def wait_sent(self, more: int, within_s: float = 60) -> None:
        """Return when that many more events are written."""
        goal = self.sent + more
        wait_until(f"{goal} events sent", lambda: self.sent >= goal or not self._thread.is_alive(), within_s)

    def wait_taken(self, more: int, within_s: float = 60) -> None:
        """Return when that many more events were taken by a destination."""
        goal = self._world.there.taken().total() + more
        wait_until(f"{goal} events taken", lambda: self._world.there.taken().total() >= goal, within_s)

    def _run(self) -> None:
        numbers, due = itertools.count(), time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._world.send(*[self._make(next(numbers)) for _ in range(CHUNK)])
                self.sent += CHUNK
                due += self._pace_s
        except BaseException as error:
            self._failed = error


@contextmanager
def load(
    world: World, rate: float, make: Callable[[int], Event] = lambda number: track(f"e{number}")
) -> Iterator[Load]:
    """Write events at `rate` a second for as long as the block runs."""
    running = Load(world, rate, make)
    running.start()
    try:
        yield running
    finally:
        running.stop()
