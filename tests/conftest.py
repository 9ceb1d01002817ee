"""Fixtures for every test: see tests/broker.py for the Kafka they get."""

pytest_plugins = ["tests.broker"]
