"""The process of a worker: starts the app, stops it on SIGTERM in bounded time, says how it ended."""

import asyncio
import gc
import logging
from typing import Any, NoReturn

import uvloop
from faust.worker import Worker

log = logging.getLogger(__name__)


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


def collect_less_often() -> None:
    """Look for cycles of garbage at a tenth of the default rate, and not among what was there at the start.

    Every event makes a few hundred objects and hardly a cycle; looking cost a fifth of a worker's CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def run(app: Any) -> NoReturn:
    """Run until SIGTERM or SIGINT (exit status 0), or until something breaks (1; nothing is lost)."""
    collect_less_often()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust and its consumer's thread ask for loops
    Process(app).execute_from_commandline()
    raise SystemExit
