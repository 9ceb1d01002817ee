"""The ledger's exporter in the cluster: off unless asked for, and beside the workers if it is."""

from tests.deploy.chart import ONE_WEBHOOK, Chart, environment

ON = {"ledger": {"enabled": True}}


def test_it_is_off_unless_asked_for(chart: Chart) -> None:
    assert not chart.render(ONE_WEBHOOK).every("Deployment")


def test_it_has_the_config_and_the_secrets_of_the_workers(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK, **ON, log={"json": False})
    (container,) = rendered.one("Deployment")["spec"]["template"]["spec"]["containers"]
    worker = rendered.worker["spec"]["containers"][0]

    assert container["args"] == ["exporter", "--every", "30s", "--state", "/state/ledger"]
    assert container["envFrom"] == worker["envFrom"]
    assert environment(container).items() <= environment(worker).items()
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {"/etc/distributary": True, "/tmp": False, "/state": False}


def test_it_starts_no_pod_before_there_are_destinations(chart: Chart) -> None:
    assert chart.render((), **ON).one("Deployment")["spec"]["replicas"] == 0
    assert chart.render(ONE_WEBHOOK, **ON).one("Deployment")["spec"]["replicas"] == 1


def test_its_monitor_finds_its_pod_and_no_worker(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK, **ON, serviceMonitor={"enabled": True})
    found = rendered.one("PodMonitor")["spec"]["selector"]["matchLabels"]
    deployment = rendered.one("Deployment")["spec"]

    assert found == deployment["selector"]["matchLabels"]
    assert found.items() <= deployment["template"]["metadata"]["labels"].items()
    assert not found.items() <= rendered.worker["metadata"]["labels"].items()


def test_a_pause_it_would_refuse_is_refused_by_helm(chart: Chart) -> None:
    assert "every" in chart.refusal(ONE_WEBHOOK, ledger={"enabled": True, "every": "soon"})
