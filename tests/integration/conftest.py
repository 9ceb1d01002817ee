"""Fixtures for the tests on Kafka: see plays.py."""

from tests.integration.plays import plays, result

__all__ = ["plays", "result"]
