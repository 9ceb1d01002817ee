"""The sums as metrics: a ledger that is kept up to date, and a page for Prometheus.

While the brokers are away the page keeps the last figures and says how old they are.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from confluent_kafka import KafkaException
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streams.ledger import bookkeeping, gauges, state
from streams.ledger.gauges import Figures
from streams.ledger.keeper import Keeper

log = logging.getLogger(__name__)

#: Without a sign of life for this long besides the pause between turns, something hangs: restart it.
STUCK_S = 300.0
#: The state is written this often at most: a process that is killed reads so much again.
SAVE_EVERY_S = 300.0


@dataclass
class Exporter:
    """Takes a turn every so many seconds, until told to stop."""

    keeper: Keeper
    every_s: float
    state_file: Path | None = None
    figures: Figures = field(default_factory=Figures)
    stopped: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._alive_at = self._saved_at = self.clock()
        self.keeper.beat = self._beat

    def run(self) -> None:
        """Take turns; returns when stopped, with the state written."""
        while not self.stopped.is_set():
            began = self.clock()
            self._turn(began)
            self._beat()
            if self.clock() - self._saved_at > SAVE_EVERY_S:
                self._save()
            self.stopped.wait(max(0.0, began + self.every_s - self.clock()))
        self._save()

    def _turn(self, began: float) -> None:
        try:
            books = bookkeeping.books(self.keeper)
        except KafkaException as error:
            if self.figures.up:
                log.warning("ledger.unavailable: %s; the last figures stay", _reason(error))
            self.figures = self.figures.failed()
            self.keeper.scanner.renew()
            return
        if not self.figures.up:
            log.info("ledger.read records=%d seconds=%.1f", self.keeper.records_read, self.clock() - began)
        self.figures = Figures(books, True, time.time(), self.clock() - began, self.keeper.records_read)
        for place in books.missing:
            log.error("ledger.unaccounted event=%s", place)

    def _save(self) -> None:
        self._saved_at = self.clock()
        if self.state_file is None or self.keeper.ledger is None:
            return
        try:
            state.save(self.keeper.ledger, self.state_file)
        except (OSError, state.Foreign) as error:  # a full disk must not end the figures
            log.error("ledger.not_saved file=%s: %s", self.state_file, error)

    def _beat(self) -> None:
        self._alive_at = self.clock()

    # -- pages ---------------------------------------------------------------------------------

    def page(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of one of its pages."""
        match path.partition("?")[0]:
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics()
            case "/healthz":
                stuck = self.clock() - self._alive_at > STUCK_S + self.every_s
                return _said("stuck", stuck, HTTPStatus.SERVICE_UNAVAILABLE if stuck else HTTPStatus.OK)
            case "/readyz":
                ready = self.figures.books is not None
                return _said("ready", ready, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)
        return HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /healthz, /readyz\n"

    def _metrics(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(gauges.Collector(self.figures))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return generate_latest(registry)


def _said(name: str, value: bool, status: HTTPStatus) -> tuple[int, str, bytes]:
    return status, "application/json", f'{{"{name}": {str(value).lower()}}}'.encode()


def _reason(error: KafkaException) -> str:
    fault = error.args[0]
    return fault.str() if hasattr(fault, "str") else str(fault)


def serve(exporter: Exporter, host: str, port: int) -> ThreadingHTTPServer:
    """Serve its pages in a thread. Raises OSError: the address can't be had."""

    class Pages(BaseHTTPRequestHandler):
        timeout = 10  # a client that says nothing is let go

        def do_GET(self) -> None:
            status, content_type, body = exporter.page(self.path)
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Scrapes are not worth a line."""

    server = ThreadingHTTPServer((host, port), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()
    return server
