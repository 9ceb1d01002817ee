"""Fixtures for the tests on Kafka: see plays.py."""

import pytest

from tests.integration.plays import plays, result

__all__ = ["plays", "result"]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The plays come first, for they take longest; one process has them all where there are several."""
    items.sort(key=lambda item: not _is_played(item))
    for item in filter(_is_played, items):
        item.add_marker(pytest.mark.xdist_group("plays"))


def _is_played(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "plays" in item.fixturenames
