"""Our histogram says what prometheus_client's own would say."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Theirs

from streams.histogram import Histogram

BOUNDS = (0.005, 0.1, 1, 2.5)
AMOUNTS = st.sampled_from([*BOUNDS, 0.0, 0.004, 0.0051, 0.75, 2.0, 3.0, 600.0])


@given(st.lists(st.tuples(st.sampled_from(["crm", 'a"\\b\n']), AMOUNTS)))
def test_it_shows_what_the_librarys_own_shows(observed: list[tuple[str, float]]) -> None:
    mine, theirs = CollectorRegistry(), CollectorRegistry()
    ours = Histogram("attempt_seconds", "Time.", "destination", BOUNDS, mine)
    reference = Theirs("attempt_seconds", "Time.", ["destination"], buckets=BOUNDS, registry=theirs)
    for value, amount in observed:
        ours.observe(value, amount)
        reference.labels(value).observe(amount)

    assert lines(mine) == lines(theirs)


def lines(registry: CollectorRegistry) -> list[str]:
    """As a scrape has them, without the time at which each was made."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Histogram("attempt_seconds", "Time.", "destination", BOUNDS, registry)

    assert "attempt_seconds_bucket" in registry._names_to_collectors
