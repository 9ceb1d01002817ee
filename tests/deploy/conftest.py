"""The chart, rendered by the real helm."""

from pathlib import Path

import pytest

from tests.deploy import gotools
from tests.deploy.chart import Chart


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    return Chart(gotools.HELM.find(), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def compose_spec() -> Path:
    return gotools.COMPOSE_SPEC.find()
