"""The process of a worker: starts the app, stops it on SIGTERM in bounded time, says how it ended."""

import asyncio
import gc
import logging
from typing import Any, NoReturn

import uvloop
from faust.worker import Worker

log = logging.getLogger(__name__)

#: Of objects that can be part of a cycle; so many fill some 50 MB.
MOST_UNSEEN = 300_000


class Process(Worker):
    """Faust's worker without its own logging, spinner and redirected output."""

    def __init__(self, app: Any) -> None:
        super().__init__(app, quiet=True, override_logging=False, redirect_stdouts=False, loglevel=None)
        self.spinner = None

    async def on_startup_finished(self) -> None:
        log.info("worker.ready worker=%s", self.app.worker_id)

    async def _sentinel_task(self) -> None:
        """What mode waits for before it closes the loop: a second, for nothing of ours."""
        await asyncio.sleep(0)

    def _setproctitle(self, info: str, *, ident: str = "distributary") -> None:
        """The command line says enough."""


def collect_seldom() -> None:
    """Look for cycles of garbage when MOST_UNSEEN objects are new, and not among what was there at the start.

    Every event makes a few hundred objects and no cycle. To look at 10,000 of them stops everything for 5 to
    15 ms, at 100,000 for 40 ms: that is what a healthy destination's slowest events waited for. What is alive
    at once, 200,000 objects beside twenty dead destinations, should not be looked at again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MOST_UNSEEN, 5, 5)


def run(app: Any) -> NoReturn:
    """Run until SIGTERM or SIGINT (exit status 0), or until something breaks (1; nothing is lost)."""
    collect_seldom()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust and its consumer's thread ask for loops
    Process(app).execute_from_commandline()
    raise SystemExit
