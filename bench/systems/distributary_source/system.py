"""Ourselves as the source comes, not compiled: what `pip install` gives who has no C compiler."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from bench.systems.base import Workload
from bench.systems.distributary.system import ROOT, Distributary


class Source(Distributary):
    """This checkout."""

    name = "distributary_source"
    title = "Distributary, not compiled"
    version = f"distributary {version('distributary')}, faust-streaming {version('faust-streaming')}"

    def paces(self) -> Mapping[Workload, int]:
        return {workload: round(0.8 * pace) for workload, pace in super().paces().items()}

    def install(self, home: Path) -> None:
        """Nothing: it is here."""

    def code(self) -> Path:
        return ROOT


SYSTEM = Source()
