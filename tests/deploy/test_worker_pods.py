"""What the chart promises about workers: their identity, their end, their config, their way out."""

import ipaddress

from streams.http import addresses
from tests.deploy.chart import ONE_WEBHOOK, VALUE_SETS, Chart, Rendered, environment

EVERY_SWITCH = VALUE_SETS["every-switch"]
STRICT = VALUE_SETS["strict-cluster"]


def member(rendered: Rendered) -> str:
    """What the workers call themselves in the group."""
    name: str = environment(rendered.worker["spec"]["containers"][0])["DISTRIBUTARY_INSTANCE_ID"]["value"]
    return name


def test_a_worker_joins_the_group_under_its_pods_name(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK)
    variables = environment(rendered.worker["spec"]["containers"][0])
    assert variables["POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert member(rendered) == "$(POD_NAME)"
    # A reference is replaced only if what it names stands before it.
    assert list(variables).index("POD_NAME") < list(variables).index("DISTRIBUTARY_INSTANCE_ID")


def test_membership_takes_a_prefix_or_is_dynamic(chart: Chart) -> None:
    assert member(chart.render(EVERY_SWITCH)) == "eu-1.$(POD_NAME)"
    assert "DISTRIBUTARY_INSTANCE_ID" not in environment(chart.render(STRICT).worker["spec"]["containers"][0])


def test_pods_have_names_to_come_back_under(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK)
    service = rendered.one("Service")
    assert rendered.one("StatefulSet")["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    # A worker that is not ready is the one whose metrics are wanted.
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_workers_start_together_and_are_replaced_one_by_one(chart: Chart) -> None:
    spec = chart.render(ONE_WEBHOOK).one("StatefulSet")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}


def test_probes_ask_the_pages_that_a_worker_has(chart: Chart) -> None:
    container = chart.render(ONE_WEBHOOK).worker["spec"]["containers"][0]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert container["ports"] == [{"name": "http", "containerPort": 6066}]


def test_the_image_decides_what_runs_and_the_chart_only_which_command(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK)
    worker, topics = (pod["containers"][0] for pod in rendered.pods)
    assert (worker["args"], topics["args"]) == (["worker"], ["topics", "create", "--json"])
    assert "command" not in worker
    assert "command" not in topics
    assert worker["image"] == topics["image"] == "registry.example/distributary:0.1.0"


def test_a_digest_wins_over_a_tag(chart: Chart) -> None:
    image = chart.render(EVERY_SWITCH).worker["spec"]["containers"][0]["image"]
    assert image.startswith("registry.example/distributary@sha256:")


def test_another_config_is_another_pod_and_the_same_config_is_not(chart: Chart) -> None:
    def checksum(**changes: object) -> str:
        found: str = chart.render(ONE_WEBHOOK, **changes).worker["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum() == checksum(replicas=5)
    assert checksum() != checksum(config={"retry": {"budget": "5h"}})


def test_references_reach_the_worker_as_they_were_written(chart: Chart) -> None:
    assert "secret: ${CRM_HOOK_SECRET}" in chart.render(ONE_WEBHOOK).config


def test_secrets_are_mounted_as_files_that_only_the_worker_reads(chart: Chart) -> None:
    pod = chart.render(VALUE_SETS["kafka-with-tls-and-password"]).worker["spec"]
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    assert {mounts[name]["mountPath"]: secret for name, secret in secrets.items()} == {
        "/run/secrets/kafka-cluster-ca": {"secretName": "kafka-cluster-ca", "defaultMode": 0o440},
        "/run/secrets/billing.hook": {"secretName": "billing.hook", "defaultMode": 0o440},
    }
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"]


def test_topics_are_created_before_anything_else(chart: Chart) -> None:
    rendered = chart.render(ONE_WEBHOOK)
    weights = {}
    for kind in ("ConfigMap", "Job"):
        annotations = rendered.hook(kind)["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        weights[kind] = int(annotations["helm.sh/hook-weight"])
    assert weights["ConfigMap"] < weights["Job"]
    # The chart's own ServiceAccount does not exist yet.
    assert "serviceAccountName" not in rendered.hook("Job")["spec"]["template"]["spec"]


def test_topics_may_be_created_by_another_kafka_user(chart: Chart) -> None:
    job = chart.render(EVERY_SWITCH).hook("Job")["spec"]["template"]["spec"]["containers"][0]
    same = chart.render(ONE_WEBHOOK).hook("Job")["spec"]["template"]["spec"]["containers"][0]
    assert job["envFrom"] == [{"secretRef": {"name": "kafka-admin"}}]
    assert same["envFrom"] == [{"secretRef": {"name": "distributary-secrets"}}]


def test_without_destinations_nothing_runs(chart: Chart) -> None:
    rendered = chart.render()
    assert rendered.one("StatefulSet")["spec"]["replicas"] == 0
    assert not rendered.every("Job")


def test_a_node_can_always_be_drained_one_worker_at_a_time(chart: Chart) -> None:
    budget = chart.render(ONE_WEBHOOK).one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert not chart.render(STRICT).every("PodDisruptionBudget")


def test_workers_are_spread_over_zones_and_nodes(chart: Chart) -> None:
    def spread(*values: object) -> dict[str, str]:
        pod = chart.render(*values).worker["spec"]  # type: ignore[arg-type]
        return {rule["topologyKey"]: rule["whenUnsatisfiable"] for rule in pod["topologySpreadConstraints"]}

    assert spread(ONE_WEBHOOK) == {
        "topology.kubernetes.io/zone": "ScheduleAnyway",
        "kubernetes.io/hostname": "ScheduleAnyway",
    }
    assert spread(EVERY_SWITCH) == {"topology.kubernetes.io/zone": "DoNotSchedule"}


def test_the_network_policy_leaves_out_every_address_that_a_worker_refuses(chart: Chart) -> None:
    # Given the addresses that the policy opens
    rules = chart.render(EVERY_SWITCH).one("NetworkPolicy")["spec"]["egress"]
    blocks = [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    opened = [ipaddress.ip_network(block["cidr"]) for block in blocks]
    closed = [ipaddress.ip_network(hole) for block in blocks for hole in block["except"]]
    # Then private networks are not among them, nor cloud metadata
    for network in addresses.PRIVATE:
        inside = any(network.version == o.version and network.subnet_of(o) for o in opened)  # type: ignore[arg-type]
        assert not inside or network in closed, network
    metadata = [
        ipaddress.ip_address(address) for address in ("169.254.169.254", "168.63.129.16", "192.0.0.192")
    ]
    assert all(any(address in hole for hole in closed) for address in metadata)
    # And ordinary ones are
    assert not any(ipaddress.ip_address("1.1.1.1") in hole for hole in closed)


def test_the_network_policy_lets_workers_reach_dns_and_kafka(chart: Chart) -> None:
    policy = chart.render(EVERY_SWITCH).one("NetworkPolicy")["spec"]
    dns, kafka, _public, registry = policy["egress"]
    assert policy["policyTypes"] == ["Egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert kafka["to"] == [{"podSelector": {"matchLabels": {"app": "kafka"}}}]
    assert [port["port"] for port in kafka["ports"]] == [9092, 9093]
    assert registry["ports"] == [{"port": 8081}]
    assert not chart.render(ONE_WEBHOOK).every("NetworkPolicy")


def test_prometheus_finds_the_metrics(chart: Chart) -> None:
    rendered = chart.render(EVERY_SWITCH)
    monitor, service = rendered.one("ServiceMonitor"), rendered.one("Service")
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]
    assert service["spec"]["ports"] == [{"name": "http", "port": 7070, "targetPort": "http"}]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
