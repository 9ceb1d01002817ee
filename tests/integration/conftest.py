"""Fixtures for the tests on Kafka: see plays.py."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.integration.plays import plays, result

__all__ = ["plays", "result"]

PLAYED = "test_verify_catches"  #: how the files begin whose tests are of plays


class Grouped(LoadScopeScheduling):
    """One process has all plays, so that each is played once; every other test goes where there is room.

    Its own `--dist loadgroup` writes groups into node ids, where pytest 9.2 doesn't read them.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "plays" if PLAYED in nodeid else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Grouped(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The plays come first, for they take longest."""
    items.sort(key=lambda item: PLAYED not in item.nodeid)
