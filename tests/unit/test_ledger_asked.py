"""What may be asked for on the command line, and what is said of nonsense."""

import time

import pytest

from streams import moments
from streams.ledger import asked
from streams.ledger.books import instant

MINUTE_MS = 60_000


def test_a_range_is_of_whole_minutes() -> None:
    period = asked.wanted(None, "2026-11-20T10:00:00Z", "2026-11-20T12:01+01:00").period

    assert period is not None
    assert (period.to_ms - period.from_ms) == 61 * MINUTE_MS
    assert str(period) == "2026-11-20T10:00Z to 2026-11-20T11:01Z"


def test_a_duration_ago_is_taken_back_to_the_minute_and_the_end_is_now() -> None:
    period = asked.wanted(None, "90s", None).period

    assert period is not None
    assert period.from_ms % MINUTE_MS == period.to_ms % MINUTE_MS == 0
    assert 0 <= time.time() * 1000 - period.to_ms <= MINUTE_MS + 1000


def test_without_a_beginning_it_is_all_until_the_end() -> None:
    period = asked.wanted("1d", None, "1h").period

    assert period is not None
    assert period.from_ms == 0


@pytest.mark.parametrize(
    ("by", "start", "end", "said"),
    [
        ("1s", None, None, "--by 1s: times are kept to the minute"),
        ("90s", None, None, "--by 90s"),
        ("0s", None, None, "--by 0s"),
        ("soon", None, None, "--by 'soon' is not a duration"),
        (None, "yesterday", None, "--from 'yesterday' is neither"),
        (None, "2026-11-20T10:00:30Z", None, "without seconds"),
        (None, "1h", "2h", "is not at least a minute before"),
        (None, "1h", "0001-01-01T00:00+14:00", "--to"),
        (None, None, "1970-01-01T00:00Z", "is not at least a minute before"),
    ],
)
def test_nonsense_is_refused(by: str | None, start: str | None, end: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked.wanted(by, start, end)


def test_an_instant_beyond_the_calendar_is_shown_as_its_number() -> None:
    assert instant(0) == "1970-01-01T00:00Z"
    assert instant(1 << 63) == f"{1 << 63} ms"


def test_a_time_without_a_zone_is_utc() -> None:
    assert moments.parse("2026-11-20T10:00") == moments.parse("2026-11-20T11:00+01:00")
