"""Renders deploy/chart with helm, and finds one's way in what comes out."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"

#: The cluster that helm is told of. A helm 3 that was built from source takes 1.20 for granted.
KUBERNETES = ("--kube-version", "1.37.0")

#: Sets of values that the chart must do justice to; none at all is the first of them.
VALUE_SETS: dict[str, tuple[Path, ...]] = {
    "defaults": (),
    **{file.stem: (file,) for file in sorted((Path(__file__).parent / "values").glob("*.yaml"))},
}
ONE_WEBHOOK = VALUE_SETS["one-webhook"]

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What helm would install."""

    text: str

    @cached_property
    def manifests(self) -> list[Manifest]:
        return [document for document in yaml.safe_load_all(self.text) if document]

    def every(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        """The only one of its kind among what stays, which hooks don't."""
        (found,) = (manifest for manifest in self.every(kind) if not is_hook(manifest))
        return found

    def hook(self, kind: str) -> Manifest:
        (found,) = filter(is_hook, self.every(kind))
        return found

    @property
    def pods(self) -> list[Manifest]:
        """The spec of every pod: the worker's, the ledger's, and that of the Job that creates topics."""
        owners = [*self.every("StatefulSet"), *self.every("Deployment"), *self.every("Job")]
        return [owner["spec"]["template"]["spec"] for owner in owners]

    @property
    def worker(self) -> Manifest:
        """The worker's pod template."""
        template: Manifest = self.one("StatefulSet")["spec"]["template"]
        return template

    @property
    def config(self) -> str:
        """The text of distributary.yaml as the worker gets it."""
        text: str = self.one("ConfigMap")["data"]["distributary.yaml"]
        return text


@dataclass
class Chart:
    """deploy/chart and a helm that knows no cluster; `home` is for what helm keeps."""

    helm: Path
    home: Path
    _rendered: dict[tuple[object, ...], Rendered] = field(default_factory=dict)

    def lint(self, values: Iterable[Path] = ()) -> subprocess.CompletedProcess[str]:
        return self._run("lint", "--strict", str(CHART), *KUBERNETES, *_files(values))

    def render(self, values: Iterable[Path] = (), **changes: Any) -> Rendered:
        """What helm makes of files of values and changes to them: `render(replicas=3)`."""
        key = (*values, repr(changes))
        if key not in self._rendered:
            done = self._template(values, changes)
            assert done.returncode == 0, done.stderr
            self._rendered[key] = Rendered(done.stdout)
        return self._rendered[key]

    def refusal(self, values: Iterable[Path] = (), **changes: Any) -> str:
        """What helm says against values that the chart refuses."""
        done = self._template(values, changes)
        assert done.returncode != 0, "helm takes it"
        return done.stderr

    def _template(
        self, values: Iterable[Path], changes: Mapping[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        stdin = yaml.safe_dump(dict(changes))
        return self._run(
            "template", "shop", str(CHART), *KUBERNETES, *_files(values), "--values", "-", stdin=stdin
        )

    def _run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.home), "PATH": "", "KUBECONFIG": str(self.home / "none")}
        return subprocess.run(
            [self.helm, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def is_hook(manifest: Manifest) -> bool:
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


def environment(container: Manifest) -> dict[str, Manifest]:
    """The variables of a container by name, each as the pod spec has it."""
    return {variable["name"]: variable for variable in container["env"]}


def _files(values: Iterable[Path]) -> list[str]:
    return [argument for file in values for argument in ("--values", str(file))]
