import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import durations


@pytest.mark.parametrize(
    ("text", "seconds", "name"),
    [
        ("1m", 60, "1m"),
        ("10m", 600, "10m"),
        ("1h", 3600, "1h"),
        ("500ms", 0.5, "500ms"),
        ("2.5s", 2.5, "2.5s"),
        ("1h30m", 5400, "1h30m"),
        ("1.5h", 5400, "1h30m"),
        ("60s", 60, "1m"),
        ("0.25m", 15, "15s"),
        ("1m0.5s", 60.5, "1m0.5s"),
        ("1m500ms", 60.5, "1m0.5s"),
        ("7d", 604_800, "7d"),
        ("24h", 86_400, "1d"),
        ("1h5ms", 3600.005, "1h0.005s"),
        ("100s", 100, "1m40s"),
        ("0s", 0, "0s"),
    ],
)
def test_a_written_duration_has_one_length_and_one_short_name(text: str, seconds: float, name: str) -> None:
    assert durations.parse(text) == seconds
    assert durations.name(seconds) == name
    assert durations.parse(name) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is not a duration"),
        ("60", "write a number and a unit (d, h, m, s, ms)"),  # sixty of what?
        ("1 m", "not a duration"),
        ("m", "not a duration"),
        ("-1m", "not a duration"),
        ("1e3s", "not a duration"),
        ("30m1h", "not a duration"),  # the larger unit comes first
        ("1m1m", "not a duration"),
        ("1min", "not a duration"),
        (".5s", "not a duration"),
        ("1m\n", "not a duration"),
        ("١m", "not a duration"),  # a digit, but not one of ours
        ("9" * 400 + "h", "not a duration"),
        ("0.5ms", "finer than a millisecond"),
        ("999999999d", "the longest duration is 3650d"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_is_allowed(text: str, why: str) -> None:
    with pytest.raises(ValueError) as refusal:
        durations.parse(text)

    assert why in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), durations.LONGEST_S + 1])
def test_only_lengths_that_can_be_written_have_a_name(seconds: float) -> None:
    with pytest.raises(ValueError):
        durations.name(seconds)


@given(st.integers(0, int(durations.LONGEST_S * 1000)))
def test_every_number_of_milliseconds_comes_back_from_its_name(ms: int) -> None:
    name = durations.name(ms / 1000)

    assert durations.parse(name) == ms / 1000
    assert durations.name(durations.parse(name)) == name
