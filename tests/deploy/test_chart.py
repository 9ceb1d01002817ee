"""The chart as Kubernetes sees it: for every set of values, what helm renders is valid and safe to run."""

import re
from pathlib import Path

import kubernetes_validate
import pytest

from streams import settings
from tests.deploy.chart import ONE_WEBHOOK, VALUE_SETS, Chart, Rendered, environment

#: The oldest Kubernetes that Chart.yaml allows, and the newest that there are schemas of.
KUBERNETES = ("1.27", kubernetes_validate.latest_version())
#: Not Kubernetes' own, so its schemas don't have it.
CUSTOM = {"ServiceMonitor", "PodMonitor"}
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(params=VALUE_SETS)
def values(request: pytest.FixtureRequest) -> tuple[Path, ...]:
    return VALUE_SETS[request.param]


@pytest.fixture
def rendered(chart: Chart, values: tuple[Path, ...]) -> Rendered:
    return chart.render(values)


def test_helm_finds_nothing_to_complain_about(chart: Chart, values: tuple[Path, ...]) -> None:
    linted = chart.lint(values)
    assert linted.returncode == 0, linted.stdout
    assert "[WARNING]" not in linted.stdout


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_schemas_know_every_field(rendered: Rendered, version: str) -> None:
    for manifest in rendered.manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_satisfy_the_restricted_pod_security_standard(rendered: Rendered) -> None:
    for pod in rendered.pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"].get("runAsUser") != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(volume.keys() & {"configMap", "emptyDir", "secret"} for volume in pod["volumes"])
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_pods_get_no_token_for_the_kubernetes_api(rendered: Rendered) -> None:
    assert all(pod["automountServiceAccountToken"] is False for pod in rendered.pods)
    assert all(
        account["automountServiceAccountToken"] is False for account in rendered.every("ServiceAccount")
    )


def test_secrets_are_only_referred_to(rendered: Rendered) -> None:
    assert not rendered.every("Secret")
    assert "whsec_" not in rendered.text
    for pod in rendered.pods:
        for name, variable in environment(pod["containers"][0]).items():
            assert "valueFrom" in variable or not re.search("PASSWORD|SECRET|TOKEN|AUTHORIZATION", name)


def test_every_selector_finds_the_workers_and_nothing_else(rendered: Rendered) -> None:
    labels = rendered.worker["metadata"]["labels"]
    selectors = [
        rendered.one("StatefulSet")["spec"]["selector"]["matchLabels"],
        rendered.one("Service")["spec"]["selector"],
        *(budget["spec"]["selector"]["matchLabels"] for budget in rendered.every("PodDisruptionBudget")),
        *(policy["spec"]["podSelector"]["matchLabels"] for policy in rendered.every("NetworkPolicy")),
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        for other in (*rendered.every("Job"), *rendered.every("Deployment")):
            assert not selector.items() <= other["spec"]["template"]["metadata"]["labels"].items()


def test_volumes_lead_to_config_maps_that_are_there_in_time(rendered: Rendered) -> None:
    # Given that hooks run before anything else of the chart exists
    for owner in (*rendered.every("StatefulSet"), *rendered.every("Deployment"), *rendered.every("Job")):
        find = rendered.hook if owner["kind"] == "Job" else rendered.one
        pod = owner["spec"]["template"]["spec"]
        (name,) = (volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
        assert find("ConfigMap")["metadata"]["name"] == name
        assert find("ConfigMap")["data"]["distributary.yaml"] == rendered.config


@pytest.mark.parametrize("name", sorted(VALUE_SETS.keys() - {"defaults"}))  # with those no worker starts
def test_the_worker_itself_accepts_its_config(chart: Chart, name: str, tmp_path: Path) -> None:
    rendered = chart.render(VALUE_SETS[name])
    # Given the variables and files that the config refers to
    text = rendered.config.replace("/run/secrets", str(tmp_path))
    for path in map(Path, re.findall(rf"{tmp_path}[^}}\s\"']+", text)):
        path.parent.mkdir(exist_ok=True)
        path.write_text(WHSEC)
    variables = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", text), WHSEC)
    variables |= {
        "SLACK_URL": "https://hooks.slack.com/services/T0/B0/x",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    }
    # When the worker reads it
    read = settings.parse(text, env=variables)
    # Then a drain fits into the time that Kubernetes gives, with 15 s to commit and leave
    pod = rendered.worker["spec"]
    assert pod["terminationGracePeriodSeconds"] >= read.worker.drain + 15
    assert pod["containers"][0]["ports"] == [{"name": "http", "containerPort": read.worker.port}]


def test_two_releases_of_one_chart_do_not_share_a_name(chart: Chart) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in chart.render(ONE_WEBHOOK).manifests]
    assert len(set(names)) == len(names)
    assert all(name.startswith("shop-distributary") for _, name in names)
