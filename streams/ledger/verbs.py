"""What `distributary status` and `distributary exporter` do, apart from how it is shown."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streams import durations, logs
from streams.ledger import asked as asking
from streams.ledger import bookkeeping, exporter, state
from streams.ledger.books import Books
from streams.ledger.keeper import Keeper, Ledger
from streams.scan import scanner
from streams.settings import Settings
from streams.unusable import Unusable

log = logging.getLogger(__name__)


def status(
    settings: Settings,
    wanted: bookkeeping.Wanted = bookkeeping.EVERYTHING,
    state_file: Path | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> Books:
    """Read the topics and do the sums, as far back as every topic that is needed reaches.

    `state_file`: go on from what it holds, and keep there what was read; `say` is told if it is of no use.
    """
    with keeper(settings, say) as kept:
        if state_file is None:
            return bookkeeping.books(kept, wanted)
        kept.ledger = _load(state_file, say)
        found = bookkeeping.books(kept, wanted)
        _save(kept, state_file)
        return found


@contextmanager
def keeper(settings: Settings, say: Callable[[str], None] = lambda _text: None) -> Iterator[Keeper]:
    """A ledger to be looked at again and again: `bookkeeping.books` reads only what is new."""
    with scanner(settings) as scan:
        yield Keeper(scan, settings, say=say)


def export(
    settings: Settings, every_s: float, host: str, port: int, state_file: Path | None, log_json: bool
) -> None:
    """Keep the sums up to date and serve them as metrics, until SIGTERM or SIGINT."""
    logs.setup("info", settings.secrets(), as_json=log_json)
    with keeper(settings, log.warning) as kept:
        kept.ledger = _load(state_file, log.warning) if state_file else None
        made = exporter.Exporter(kept, every_s, state_file)
        try:
            server = exporter.serve(made, host, port)
        except (OSError, OverflowError) as error:
            raise Unusable(f"{host}:{port} can't be served on: {error}") from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: made.stopped.set())
        log.info("ledger.serving host=%s port=%d", host, server.server_port)
        made.run()
        server.shutdown()


def _load(file: Path, say: Callable[[str], None]) -> Ledger | None:
    try:
        return state.load(file)
    except state.Unreadable as fault:
        say(f"{file}: {fault}. All is read anew")
        return None
    except OSError as error:
        raise Unusable(f"{file}: can't be read: {error.strerror}") from None


def _save(kept: Keeper, file: Path) -> None:
    assert kept.ledger is not None
    try:
        with suppress(state.Foreign):  # it was said when it was read
            state.save(kept.ledger, file)
    except OSError as error:
        raise Unusable(f"{file}: can't be written: {error.strerror}") from None


def pause(text: str) -> float:
    """Seconds between two readings."""
    try:
        seconds = durations.parse(text)
    except ValueError as error:
        raise Unusable(f"--every {error}") from None
    if seconds < 1:
        raise Unusable(f"--every {text}: at least 1s")
    return seconds


def asked(by: str | None, start: str | None, end: str | None, every_place: bool) -> bookkeeping.Wanted:
    try:
        return asking.wanted(by, start, end, every_place=every_place)
    except ValueError as error:
        raise Unusable(str(error)) from None
