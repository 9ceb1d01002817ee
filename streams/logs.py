"""Log lines: one per thing that happened, a dotted name and key=value; secrets masked whoever wrote them."""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from streams.masking import Masking

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: Loggers of libraries that say more than a person wants to read at the level we log at.
QUIET = ("faust", "mode", "aiokafka", "httpx", "httpcore", "asyncio", "aiohttp")


class Masked(logging.Formatter):
    """Formats as another formatter does, and replaces every secret in the finished text."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._mask = Masking(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(self._inner.format(record))


class Lines(logging.Formatter):
    """2026-11-21T22:25:00.123Z INFO streams.deliver delivery.attempted destination=crm-hook ..."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonLines(logging.Formatter):
    """One JSON object per line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return (
        datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def setup(level: str, secrets: Iterable[str], *, as_json: bool = False) -> None:
    """Log to standard error; libraries only from WARNING up, unless the level is DEBUG."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Masked(JsonLines() if as_json else Lines(), secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("streams.librdkafka").setLevel(logging.NOTSET)
    if level.upper() != "DEBUG":
        for name in QUIET:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
