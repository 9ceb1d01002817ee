"""Programs that are Go modules: one from PATH, else one built from source once and kept in the cache folder.

The Go module proxy and its checksum database say that the source is the released one.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.demo import jars

#: Optimising takes a third of the build, and saves milliseconds of each run.
BUILD = ("go", "install", "-gcflags=all=-N -l", "-ldflags=-s -w")
#: Seconds. Helm takes 90 on two cores, and as long again where its modules come slowly.
BUILD_TIMEOUT = 900


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program, and where it is had when it is not installed."""

    name: str
    package: str
    version: str

    def find(self) -> Path:
        """The program's file; the test is skipped where there is none and none can be built."""
        if installed := shutil.which(self.name):
            return Path(installed)
        kept = jars.cache() / f"{self.name}-{self.version}" / self.name
        if not kept.exists():
            self._build(kept)
        return kept

    def _build(self, kept: Path) -> None:
        source = f"{self.package}@{self.version}"
        if not shutil.which("go"):
            pytest.skip(f"{self.name} is not here: install it, or Go to have it built ({source})")
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            environment = {**os.environ, "GOBIN": folder, "CGO_ENABLED": "0"}
            built = subprocess.run(
                [*BUILD, source],
                env=environment,
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT,
                check=False,
            )
            if built.returncode:
                self._give_up(
                    f"{self.name} is not here, and building {source} failed:\n{built.stderr[-2000:]}"
                )
            (program,) = Path(folder).iterdir()  # named after the package's last folder
            program.replace(kept)

    def _give_up(self, reason: str) -> None:
        """A laptop without a network skips; CI must not pass because it checked nothing."""
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


HELM = GoTool("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1")
#: The official parser and validator of compose files, which `docker compose` itself is built on.
COMPOSE_SPEC = GoTool("compose-spec", "github.com/compose-spec/compose-go/v2/cmd", "v2.16.2")
