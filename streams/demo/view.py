"""What the demo shows while it runs: a table that is redrawn on a terminal, a plain line elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from streams import show
from streams.ledger.sums import Sums

#: Seconds between plain lines.
LINE_EVERY_S = 5.0


class View:
    """Shows the sums as they are read from the topics; `quiet` shows nothing."""

    def __init__(self, console: Console, total: int, tiers: list[str], quiet: bool = False) -> None:
        self._console = console
        self._total = total
        self._tiers = tiers
        self._quiet = quiet
        self._live = (
            Live(console=console, refresh_per_second=4) if console.is_terminal and not quiet else None
        )
        self._began = time.monotonic()
        self._last: tuple[float, int] = (self._began, 0)
        self._line_at = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, produced: int, lines: Mapping[str, Sums]) -> None:
        """Show the newest sums."""
        now = time.monotonic()
        rate = self._rate(now, sum(line.attempts for line in lines.values()))
        head = f"{now - self._began:4.0f} s  {produced}/{self._total} events produced  {rate:5.0f} attempts/s"
        if self._live:
            self._live.update(self._table(head, lines))
        elif not self._quiet and now >= self._line_at:
            self._line_at = now + LINE_EVERY_S
            self._console.print(head + "".join(f"  | {name} {_brief(line)}" for name, line in lines.items()))

    def _rate(self, now: float, attempts: int) -> float:
        then, before = self._last
        if now - then > 0.5:
            self._last = (now, attempts)
        return (attempts - before) / (now - then) if now > then else 0.0

    def _table(self, title: str, lines: Mapping[str, Sums]) -> Table:
        made = show.table(
            "destination", "accepted", "delivered", *(f"in {t}" for t in self._tiers), "queued", "dead"
        )
        made.title, made.title_justify = title, "left"
        for name, line in lines.items():
            waiting = [str(line.waiting[tier]) for tier in self._tiers]
            made.add_row(
                name,
                str(line.accepted),
                str(line.delivered),
                *waiting,
                str(line.queued),
                str(line.dead.total()),
            )
        return made


def _brief(line: Sums) -> str:
    waiting = " ".join(f"{tier} {count}" for tier, count in sorted(line.waiting.items()))
    parts = [f"delivered {line.delivered}", f"waiting {waiting or 0}", f"dead {line.dead.total()}"]
    return ", ".join(parts)
