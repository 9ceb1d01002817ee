"""What of the books somebody asks for, from words on a command line."""

from streams import durations, moments
from streams.ledger.bookkeeping import Wanted
from streams.ledger.books import Period
from streams.ledger.minutes import MINUTE_MS
from streams.ledger.sums import FIRST


def wanted(by: str | None, start: str | None, end: str | None, *, every_place: bool = False) -> Wanted:
    """`by`: the length of a span; `start`, `end`: of a period. Raises ValueError saying what is allowed."""
    by_ms = None if by is None else _span(by)
    longest = None if every_place else FIRST
    if start is None and end is None:
        return Wanted(by_ms, None, longest)
    period = Period(_minute("--from", start) if start else 0, _minute("--to", end or "0s"))
    if period.from_ms >= period.to_ms:
        raise ValueError(f"--from ({start}) is not at least a minute before --to ({end or 'now'})")
    return Wanted(by_ms, period, longest)


def _span(text: str) -> int:
    try:
        span_ms = round(durations.parse(text) * 1000)
    except ValueError as error:
        raise ValueError(f"--by {error}") from None
    if span_ms < MINUTE_MS or span_ms % MINUTE_MS:
        raise ValueError(f"--by {text}: times are kept to the minute, so say 1m, 10m, 1h or 1d")
    return span_ms


def _minute(option: str, text: str) -> int:
    """A duration ago is taken back to the minute; a time must be one."""
    try:
        ms = moments.parse(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{option} {error}") from None
    if moments.ago(text) is None and ms % MINUTE_MS:
        raise ValueError(f"{option} {text}: times are kept to the minute, so say it without seconds")
    return max(0, ms // MINUTE_MS * MINUTE_MS)
