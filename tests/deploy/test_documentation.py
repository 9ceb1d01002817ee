"""docs/deploying.md: what it tells people to write works."""

import re

import pytest
import yaml

from tests.deploy.chart import ROOT, Chart

PAGE = ROOT / "docs" / "deploying.md"
EXAMPLES = re.findall(r"```yaml\n(# values.yaml\n.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_helm_takes_the_example_values(chart: Chart, text: str) -> None:
    assert chart.render(**yaml.safe_load(text)).manifests


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2
