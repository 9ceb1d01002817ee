"""Every connector there is: those found in the folder, and the one that the documentation builds."""

import importlib.util
from pathlib import Path

import pytest

import connectors
from connectors.base import Bound, Connector

EXAMPLE = Path(__file__).with_name("ledgerly.py")


def _example() -> Connector:
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.CONNECTOR, Connector)
    return module.CONNECTOR


@pytest.fixture(scope="session", params=[EXAMPLE.stem, *connectors.available()])
def file(request: pytest.FixtureRequest) -> str:
    """The name of a connector's file: a test that asks for it, or for what follows, runs for each."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def connector(file: str) -> Connector:
    return _example() if file == EXAMPLE.stem else connectors.load(file)


@pytest.fixture(scope="session")
def bound(connector: Connector) -> Bound:
    """The connector with the example of every setting, the optional ones too."""
    return connector.bind({setting.name: setting.example for setting in connector.declared})
