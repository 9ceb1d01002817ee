"""An event loop whose time passes only when nothing is left to do: a minute of waiting takes no time."""

import asyncio
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's, on a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        loop: Any = self
        due = [timer._when for timer in loop._scheduled if not timer._cancelled]
        if due and not loop._ready:
            self.now = max(self.now, min(due))
        super()._run_once()  # type: ignore[misc]
