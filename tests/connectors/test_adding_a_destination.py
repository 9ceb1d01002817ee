"""docs/adding-a-destination.md shows a connector that works: the one all connector tests also run on."""

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "adding-a-destination.md"


def test_the_connector_on_the_page_is_the_one_that_is_tested() -> None:
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown == [(HERE / "ledgerly.py").read_text()]


def test_the_page_names_files_that_exist() -> None:
    root = PAGE.parents[1]
    named = set(re.findall(r"`((?:connectors|tests)/[\w/]+\.py)`", PAGE.read_text())) - {
        "connectors/ledgerly.py"
    }
    assert named
    assert all((root / name).is_file() for name in named)
