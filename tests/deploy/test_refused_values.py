"""Values that would not work are refused by helm, in words that name the value and what is allowed."""

from typing import Any

import pytest

from tests.deploy.chart import ONE_WEBHOOK, Chart

PLAIN = {"url": "https://example.com/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
SLOW = {"name": "slow", "connector": "webhook", "limits": {"timeout_s": 60}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # a name that is none of ours
        ({"replica": 3}, ["additional properties 'replica' not allowed"]),
        ({"probes": {"live": {}}}, ["'/probes'", "additional properties 'live' not allowed"]),
        ({"envFrom": [{"secretRef": {"nmae": "a"}}]}, ["'/envFrom/0/secretRef'", "missing property 'name'"]),
        # a value of the wrong kind
        ({"replicas": "two"}, ["'/replicas': got string, want integer"]),
        ({"replicas": -1}, ["'/replicas': minimum: got -1, want 0"]),
        ({"runAsUser": 0}, ["'/runAsUser': minimum: got 0, want 1"]),
        ({"podManagementPolicy": "Serial"}, ["'/podManagementPolicy'", "'Parallel', 'OrderedReady'"]),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, ["'/podDisruptionBudget/maxUnavailable': minimum"]),
        ({"image": {"tag": "a:b"}}, ["'/image/tag'", "'a:b' does not match pattern"]),
        ({"secretFiles": [{"secret": "A_B"}]}, ["'/secretFiles/0/secret'", "does not match pattern"]),
        # a config that is no config
        ({"config": "inbound: events"}, ["'/config'", "want object"]),
        ({"config": {"inbound": None}}, ["'/config'", "missing property 'inbound'"]),
        ({"config": {"destinations": {}}}, ["'/config/destinations'", "want array"]),
        (
            {"config": {"destinations": [{"name": "a"}]}},
            ["'/config/destinations/0'", "missing property 'connector'"],
        ),
        # a secret where everybody can read it
        (
            {"env": [{"name": "KAFKA_SASL_PASSWORD", "value": "x"}]},
            ["KAFKA_SASL_PASSWORD has a plain value", "secretKeyRef"],
        ),
        (
            {"config": {"kafka": {"sasl_password": "x"}}},
            ["config.kafka.sasl_password holds a plain value", "${NAME}"],
        ),
        (
            {"config": {"destinations": [{"name": "a", "connector": "webhook", "settings": PLAIN}]}},
            ["config.destinations[0].settings.secret holds a plain value", "${file:/run/secrets/SECRET/KEY}"],
        ),
        # what belongs to the chart
        (
            {"env": [{"name": "DISTRIBUTARY_CONFIG", "value": "/x"}]},
            ["DISTRIBUTARY_CONFIG is the chart's own"],
        ),
        # less time than a drain takes
        ({"terminationGracePeriodSeconds": 29}, ["29 s is too short", "15 s"]),
        ({"config": {"worker": {"drain": "1m30s"}}}, ["60 s is too short", "90 s"]),
        (
            {"config": {"destinations": [SLOW]}},
            ["60 s is too short", "60 s (config.worker.drain, or the longest"],
        ),
        # a wall without a gate
        ({"networkPolicy": {"enabled": True}}, ["networkPolicy.kafka.to: say where the brokers are"]),
    ],
    ids=str,
)
def test_helm_says_what_is_wrong(chart: Chart, changes: dict[str, Any], words: list[str]) -> None:
    said = chart.refusal(ONE_WEBHOOK, **changes)
    assert [part for part in words if part not in said] == [], said


def test_a_refusal_does_not_repeat_the_secret(chart: Chart) -> None:
    config = {"destinations": [{"name": "a", "connector": "webhook", "settings": PLAIN}]}
    assert PLAIN["secret"] not in chart.refusal(ONE_WEBHOOK, config=config)
