"""The process of a worker: starts the app, stops it on SIGTERM in bounded time, says how it ended."""

import asyncio
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

    def _setproctitle(self, info: str, *, ident: str = "distributary") -> None:
        """The command line says enough."""


def run(app: Any) -> NoReturn:
    """Run until SIGTERM or SIGINT (exit status 0), or until something breaks (1; nothing is lost)."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # Faust and its consumer's thread ask for loops
    Process(app).execute_from_commandline()
    raise SystemExit
