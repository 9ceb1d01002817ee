"""The settings: what a file may say, what is made of it, and what is said when it is wrong."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import jsonschema
import pytest
import yaml

import connectors
from connectors.base import Connector, Setting, SettingsError
from connectors.event import EVENT_TYPES
from streams import settings
from streams.config import problems
from streams.config import schema as configschema
from streams.config.fields import Secret
from streams.config.problems import ConfigError
from streams.settings import Settings

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENV = {"CRM_HOOK_SECRET": SIGNING}

EXAMPLE = """
inbound: {topic: events}
destinations:
  - name: crm-hook            # [a-z0-9-]; names the topic deliver.crm-hook
    connector: webhook
    settings: {url: "https://example.com/hook", secret: "${CRM_HOOK_SECRET}"}
    when: {types: [track, identify]}
    limits: {in_flight: 50, timeout_s: 10}
retry: {tiers: [1m, 10m, 1h], plan: [1m, 1m, 1m, 10m, 10m, 10m, 1h, 1h, 1h], budget: 4h, jitter: 0.15}
"""

SHORT = """\
inbound: {topic: events}
destinations:
  - {name: crm-hook, connector: webhook, settings: {url: "https://example.com/hook"}}
"""


def parsed(text: str, env: dict[str, str] | None = None) -> Settings:
    return settings.parse(text, env={} if env is None else env)


def wrong(text: str, env: dict[str, str] | None = None) -> list[str]:
    """What is said about a file, without the file's name."""
    with pytest.raises(ConfigError) as refusal:
        parsed(text, env)
    assert str(refusal.value) == "\n".join(refusal.value.lines)
    assert refusal.value.__context__ is None  # pydantic's error would carry the values along
    return [line.removeprefix("distributary.yaml:") for line in refusal.value.lines]


def one_destination(**parts: str) -> str:
    """A file with one destination that has these keys, each with its YAML."""
    keys = {"name": "crm", "connector": "webhook", "settings": "{url: https://example.com/hook}", **parts}
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return "inbound: {topic: events}\ndestinations:\n  -\n" + lines


# What is made of a file


def test_the_example_of_the_documentation_is_understood() -> None:
    found = parsed(EXAMPLE, ENV)

    (crm,) = found.destinations
    assert (found.inbound.topic, crm.name, crm.connector) == ("events", "crm-hook", "webhook")
    assert crm.settings == {
        "url": "https://example.com/hook",
        "secret": Secret(SIGNING, "${CRM_HOOK_SECRET}"),
    }
    assert crm.when.types == ("track", "identify")
    assert (crm.limits.in_flight, crm.limits.timeout_s, crm.limits.connect_timeout_s) == (50, 10, 5)
    assert crm.bound().connector.name == "webhook"
    policy = found.retry.policy
    assert [tier.name for tier in policy.tiers] == ["1m", "10m", "1h"]
    assert [tier.seconds for tier in policy.plan] == [60] * 3 + [600] * 3 + [3600] * 3
    assert (policy.budget_s, policy.jitter) == (14_400, 0.15)


def test_what_is_not_said_has_the_default_of_the_documentation() -> None:
    found = parsed(SHORT)

    assert found.retry == parsed(EXAMPLE, ENV).retry
    assert found.destinations[0].when.types == EVENT_TYPES
    assert not found.destinations[0].network.allow_private
    kafka, worker = found.kafka, found.worker
    assert (kafka.prefix, kafka.group, kafka.partitions) == ("distributary.", "distributary", 8)
    assert (kafka.replication_factor, kafka.max_record_bytes) == (-1, 2 * 1024 * 1024)
    assert dict(kafka.retention) == {
        "deliver": 604_800, "delay": 604_800, "attempts": 1_209_600, "routed": 604_800, "dlq": 1_209_600,
    }  # fmt: skip
    assert (worker.host, worker.port, worker.commit_interval) == ("0.0.0.0", 6066, 0.5)
    assert (worker.drain, worker.rebalance_timeout, worker.session_timeout) == (15, 60, 20)


def test_a_key_without_a_value_is_not_given() -> None:
    assert parsed(SHORT + "retry:\nkafka:\n  retention:\nworker: {port: }\n") == parsed(SHORT)


def test_numbers_and_durations_may_be_references() -> None:
    text = one_destination(limits='{in_flight: "${N}"}', network='{allow_private: "${YES}"}')

    found = parsed(text + 'worker: {drain: "${D}"}\n', {"N": "7", "YES": "true", "D": "20s"})

    assert found.destinations[0].limits.in_flight == 7
    assert found.destinations[0].network.allow_private
    assert found.worker.drain == 20


def test_tiers_of_seconds_run_the_same_code() -> None:
    policy = parsed(
        SHORT + "retry: {tiers: [500ms, 60s], plan: [0.5s, 1m], budget: 2m, jitter: 0}\n"
    ).retry.policy

    assert [tier.name for tier in policy.tiers] == ["500ms", "1m"]
    assert policy.plan == policy.tiers


def test_a_plan_may_be_empty() -> None:
    assert parsed(SHORT + "retry: {plan: []}\n").retry.policy.plan == ()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parsed(SHORT).inbound.topic = "other"  # type: ignore[misc]


def test_a_file_is_loaded_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "distributary.yaml"
    path.write_text(EXAMPLE)

    assert settings.load(path, ENV) == parsed(EXAMPLE, ENV)
    with pytest.raises(ConfigError, match=rf"^{path}:6: destinations\[0\].settings.secret: "):
        settings.load(path, {})


# How long things may take


def test_drain_and_rebalance_fit_the_slowest_destination_unless_said() -> None:
    worker = parsed(one_destination(limits="{timeout_s: 90}")).worker

    assert (worker.drain, worker.rebalance_timeout) == (90, 120)


def test_a_drain_shorter_than_a_timeout_is_refused() -> None:
    text = one_destination(limits="{timeout_s: 20}") + "worker: {drain: 15s}\n"

    assert wrong(text) == ["8: worker.drain: 15s is less than the longest timeout_s of a destination, 20"]


def test_a_rebalance_that_ends_before_the_drain_is_refused() -> None:
    text = SHORT + "worker: {drain: 30s, rebalance_timeout: 30s}\n"

    assert wrong(text) == ["4: worker.rebalance_timeout: 30s is not more than drain, 30s"]


def test_a_delay_topic_must_outlast_its_tier_and_an_outage() -> None:
    text = SHORT + "retry: {tiers: [2h], plan: [2h]}\nkafka: {retention: {delay: 25h}}\n"

    assert wrong(text) == [
        "5: kafka.retention.delay: 1d1h is less than the longest tier and a day of outage, 1d2h"
    ]


# What is said when it is wrong


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = """\
inbound: {topc: events}
destinations:
  - name: crm
    connector: webhook
    settings: {secret: plain text, colour: blue}
    limits: {in_flight: many, timeout_s: 500}
  - name: crm
    connector: webhok
    when: {types: [trak]}
retry: {tiers: [1m, 30s], jitter: 2}
kafka: {partitions: 0, sasl_password: hunter2}
worker: {drain: 15}
destination: []
"""
    assert wrong(text) == [
        "1: inbound.topic: is missing: give a topic name: 1 to 249 of A-Z a-z 0-9 . _ -",
        "1: inbound.topc: the key is unknown, did you mean 'topic'? Allowed: topic",
        "5: destinations[0].settings.colour: the key is unknown. Allowed: url, secret, headers",
        "5: destinations[0].settings.secret: is a secret: give it as ${NAME} or ${file:/path}",
        "5: destinations[0].settings.url: is missing; give an http or https URL without user name, password"
        " and fragment",
        "6: destinations[0].limits.in_flight: 'many' is not a whole number from 1 to 1000",
        "6: destinations[0].limits.timeout_s: 500 is not a number from 0.1 to 120",
        "7: destinations[1].name: 'crm' is already the name of destinations[0]",
        "8: destinations[1].connector: 'webhok' is unknown, did you mean 'webhook'? Allowed: "
        + ", ".join(connectors.available()),
        "9: destinations[1].when.types[0]: 'trak' is not one of track, identify, page, screen, group, alias",
        "10: retry.tiers[1]: 30s is not longer than the tier before it, 1m",
        "10: retry.jitter: 2 is not a number from 0 to 1",
        "11: kafka.sasl_password: is a secret: give it as ${NAME} or ${file:/path}",
        "11: kafka.partitions: 0 is not a whole number from 1 to 1000",
        "12: worker.drain: 15 has no unit: a duration such as 500ms, 30s, 10m, 4h or 7d",
        "13: destination: the key is unknown, did you mean 'destinations'? Allowed: inbound, destinations,"
        " retry, kafka, worker",
    ]


@pytest.mark.parametrize(
    "name", ["Crm", "crm_hook", "-crm", "crm-", "a.b", "", "ü", "x" * 61, "crm\\n", "deliver/../x"]
)
def test_a_name_that_could_not_be_part_of_a_topic_is_refused(name: str) -> None:
    (line,) = wrong(one_destination(name=f'"{name}"'))

    assert line.startswith("4: destinations[0].name: '")
    assert line.endswith("is not a name of a-z 0-9 and dashes inside, at most 60 long")


@pytest.mark.parametrize("name", ["a", "7", "a-b", "a--b", "x" * 60])
def test_a_name_of_small_letters_digits_and_dashes_is_allowed(name: str) -> None:
    assert parsed(one_destination(name=f"'{name}'")).destinations[0].name == name


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("{in_flight: 0}", "in_flight: 0 is not a whole number from 1 to 1000"),
        ("{in_flight: 1001}", "in_flight: 1001 is not a whole number from 1 to 1000"),
        ("{in_flight: 1.5}", "in_flight: 1.5 is not a whole number from 1 to 1000"),
        ("{in_flight: true}", "in_flight: true is not a whole number from 1 to 1000"),
        ("{in_flight: [1]}", "in_flight: a list is not a whole number from 1 to 1000"),
        ("{timeout_s: 10s}", "timeout_s: '10s' is not a number from 0.1 to 120"),
        ("{timeout_s: nan}", "timeout_s: 'nan' is not a number from 0.1 to 120"),
        ("{in_fligth: 5}", "in_fligth: the key is unknown, did you mean 'in_flight'? Allowed: in_flight,"
                           " timeout_s, connect_timeout_s"),
    ],
)  # fmt: skip
def test_a_limit_out_of_bounds_is_refused(limits: str, said: str) -> None:
    assert wrong(one_destination(limits=limits)) == [f"7: destinations[0].limits.{said}"]


@pytest.mark.parametrize(
    ("retry", "said"),
    [
        ("{plan: [1m, 2m]}", ["retry.plan[1]: 2m is none of the tiers 1m, 10m, 1h"]),
        ("{plan: [10m, 1m]}", ["retry.plan[1]: 1m is shorter than the step before it, 10m"]),
        ("{budget: 3h}", ["retry.budget: 3h is less than the plan adds up to, 3h33m"]),
        ("{budget: 0s, plan: []}", ["retry.budget: '0s' is not more than 0s"]),
        ("{tiers: []}", ["retry.tiers: an empty list is not a list of at least 1, each item a duration such"
                         " as 500ms, 30s, 10m, 4h or 7d"]),
        ("{tiers: [1m, soon], plan: []}", ["retry.tiers[1]: 'soon' is not a duration such as 500ms, 30s, 10m,"
                                           " 4h or 7d"]),
        ("{tiers: [60s, 1m], plan: [1m]}", ["retry.tiers[1]: 1m is not longer than the tier before it, 1m"]),
        ("{jitter: -0.1}", ["retry.jitter: -0.1 is not a number from 0 to 1"]),
        ("5", ["retry: 5 is not a mapping with the keys tiers, plan, budget, jitter"]),
    ],
)  # fmt: skip
def test_a_retry_policy_that_cannot_work_is_refused(retry: str, said: list[str]) -> None:
    assert wrong(f"{SHORT}retry: {retry}\n") == [f"4: {line}" for line in said]


def test_a_plan_that_was_not_written_is_blamed_on_the_tiers_that_were() -> None:
    lines = wrong(SHORT + "retry: {tiers: [1s, 5s]}\n")

    assert "4: retry.plan[0]: 1m is none of the tiers 1s, 5s" in lines


def test_the_inbound_topic_must_be_none_of_ours() -> None:
    text = SHORT.replace("topic: events", "topic: distributary.deliver.crm-hook")

    assert wrong(text) == ["1: inbound.topic: is the name of one of our own topics"]
    assert parsed(text + "kafka: {prefix: other.}\n")
    assert parsed(SHORT.replace("topic: events", "topic: distributary.events"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("destinations: []\n", "1: inbound: is missing: give a mapping with the keys topic"),
        (SHORT.replace("events", "2026"), "1: inbound.topic: 2026 is not text: put it in quotes"),
        (SHORT.replace("events", "a/b"), "1: inbound.topic: 'a/b' is not a topic name: 1 to 249 of"),
        (SHORT + "kafka: {replication_factor: 0}\n", "4: kafka.replication_factor: 0 is no copy at all"),
        (SHORT + "kafka: {retention: {dlq: 1s}}\n", "4: kafka.retention.dlq: '1s' is less than 1m"),
        (SHORT + "kafka: {retention: {deliver: 1h}}\n", "4: kafka.retention.deliver: '1h' is less than 1d"),
        (SHORT + "worker: {drain: 1h}\n", "4: worker.drain: '1h' is more than 5m"),
        (SHORT + "worker: {host: ''}\n", "4: worker.host: '' is not text"),
        ("inbound: {topic: e}\ndestinations: {}\n", "2: destinations: a mapping is not a list of at least 1"),
        ("inbound: {topic: e}\ndestinations: [5]\n", "2: destinations[0]: 5 is not a mapping with the keys"),
        (one_destination(when="{types: []}"), "7: destinations[0].when.types: an empty list is not a list"),
        (
            one_destination(network="{ca_file: /nowhere/ca.pem}"),
            "'/nowhere/ca.pem' can't be read: No such file",
        ),
        (one_destination(connector="../answers"), "'../answers' is unknown. Allowed: ga4,"),
        (one_destination(connector="answers"), "'answers' is unknown. Allowed: ga4,"),
        (SHORT + "a\\b: 1\n", "4: a\\b: the key is unknown. Allowed: inbound,"),
        (SHORT + '"a\\nb": 1\n', "4: a\\nb: the key is unknown"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_its_value_and_what_is_allowed(text: str, said: str) -> None:
    assert said in wrong(text)[0]


def test_a_long_value_is_cut() -> None:
    (line,) = wrong(one_destination(limits=f"{{in_flight: {'x' * 500}}}"))

    assert len(line) < 160


# Secrets


HUSH = "hush-hush-hush"


def test_a_resolved_secret_shows_nowhere() -> None:
    found = parsed(
        EXAMPLE + "kafka: {ssl_key_password: }\n", ENV | {"SCHEMA_REGISTRY_URL": f"http://u:{HUSH}@r"}
    )

    everywhere = (
        f"{found} {found!r} {found.model_dump()} {found.model_dump_json()} {found.destinations[0].bound()}"
    )
    assert SIGNING not in everywhere
    assert HUSH not in everywhere
    assert "${CRM_HOOK_SECRET}" in found.model_dump_json()


def test_secrets_are_known_to_those_who_mask_them() -> None:
    text = one_destination(
        settings='{url: "https://${HOST}/hook", headers: {authorization: "Bearer ${TOKEN}", x-a: "${TEAM}"}}'
    )
    env = {
        "HOST": "crm.example.com",
        "TOKEN": "t0ken-t0ken",
        "TEAM": "abc",
        "KAFKA_BOOTSTRAP_SERVERS": "broker",
    }

    found = parsed(text, env).secrets()

    assert {"crm.example.com", "https://crm.example.com/hook", "t0ken-t0ken", "Bearer t0ken-t0ken"} <= found
    assert not {"abc", "broker", "broker:9092"} & found  # too short to mask; no secret


def test_passwords_are_known_to_those_who_mask_them() -> None:
    env = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "user",
        "KAFKA_SASL_PASSWORD": HUSH, "SCHEMA_REGISTRY_URL": "http://registry:8081",
    }  # fmt: skip

    assert parsed(SHORT, env).secrets() == {HUSH}


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (f"{{url: https://x.y, secret: {SIGNING}}}", "secret"),
        (f'{{url: https://x.y, secret: ["${{S}}", {SIGNING}]}}', "secret[1]"),
        (f"{{url: https://x.y, headers: {{Authorization: {HUSH}}}}}", "headers.Authorization"),
        (f"{{url: https://x.y, headers: {{x-api-key: {HUSH}}}}}", "headers.x-api-key"),
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(settings: str, where: str) -> None:
    lines = wrong(one_destination(settings=settings), {"S": SIGNING})

    assert lines == [
        f"6: destinations[0].settings.{where}: is a secret: give it as ${{NAME}} or ${{file:/path}}"
    ]


def test_headers_that_are_no_credentials_may_be_written_out() -> None:
    text = one_destination(settings="{url: https://x.y, headers: {x-team: growth}}")

    assert parsed(text).destinations[0].settings["headers"] == {"x-team": "growth"}


@pytest.mark.parametrize(
    "text",
    [
        one_destination(name='"${S}"'),
        one_destination(connector='"${S}"'),
        one_destination(settings='{url: "${S}"}'),
        one_destination(settings='{url: https://x.y, secret: "${S}"}'),
        one_destination(settings='{url: https://x.y, headers: {authorization: "${S}\\n"}}'),
        one_destination(settings='"${S}"'),
        one_destination(when='{types: ["${S}"]}'),
        one_destination(limits='{in_flight: "${S}", timeout_s: "${S}"}'),
        one_destination(network='{allow_private: "${S}", ca_file: "${S}"}'),
        SHORT + 'retry: {tiers: ["${S}"], budget: "${S}", jitter: "${S}"}\n',
        SHORT + 'kafka: {prefix: "${S}", sasl_mechanism: "${S}", bootstrap_servers: "${S}"}\n',
        SHORT + 'kafka: {schema_registry_url: "${S}", security_protocol: "${S}", ssl_ca_location: "${S}"}\n',
        SHORT + 'worker: "${S}"\n',
        'inbound: "${S}"\ndestinations: "${S}"\n',
    ],
)
def test_a_wrong_value_that_came_by_reference_is_shown_as_the_reference(text: str) -> None:
    lines = wrong(text, {"S": f"{HUSH} {HUSH}:\u00e9"})

    assert HUSH not in " ".join(lines)
    assert any("${S}" in line or "a mapping is not allowed" in line for line in lines)


def test_what_a_connector_says_about_several_settings_is_said_of_all_of_them() -> None:
    class Paired:
        declared = (Setting(name="user"), Setting(name="region"))

        def bind(self, given: Mapping[str, str]) -> None:
            raise SettingsError("paired", [f"{given['user']} is not known in {given['region']}"])

    given = {"user": Secret(HUSH, "${USER}"), "region": "eu"}

    assert problems.of_settings(cast(Connector, Paired()), given) == [((), "${USER} is not known in eu")]


def test_a_password_in_a_url_is_not_shown() -> None:
    (line,) = wrong(SHORT.replace("events", f"http://user:{HUSH}@kafka/events"))

    assert "'http://***@kafka/events' is not a topic name" in line


def test_a_reference_to_nothing_is_the_only_thing_said_about_its_value() -> None:
    text = one_destination(
        settings='{url: "${U}", secret: ["${V}"]}', limits='{in_flight: "${W}"}', when='{types: ["${X}"]}'
    )

    assert wrong(text) == [
        "6: destinations[0].settings.url: ${U} refers to the environment variable U, which is not set",
        "6: destinations[0].settings.secret[0]: ${V} refers to the environment variable V, which is not set",
        "7: destinations[0].limits.in_flight: ${W} refers to the environment variable W, which is not set",
        "8: destinations[0].when.types[0]: ${X} refers to the environment variable X, which is not set",
    ]


# The JSON Schema

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "distributary.schema.json"


def test_the_schema_that_is_checked_in_is_the_one_that_is_generated() -> None:
    checked_in = SCHEMA_FILE.read_text()
    # A connector that is newer than the file is missing in it until it is generated anew: no reason to fail.
    rules = json.loads(checked_in)["$defs"]["Destination"]["allOf"]
    names = [rule["if"]["properties"]["connector"]["const"] for rule in rules]

    assert checked_in == configschema.text(configschema.generate(names)), configschema.__doc__


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(configschema.generate())


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        SHORT,
        one_destination(limits='{in_flight: "${N}"}', network='{allow_private: "${Y}"}', name='"${NAME}"'),
        SHORT + 'worker: {drain: "${D}", port: 0}\nretry: {tiers: [500ms, 1h30m], plan: [500ms]}\n',
    ],
)
def test_the_schema_allows_what_we_allow(text: str) -> None:
    jsonschema.validate(yaml.safe_load(text), configschema.generate(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "text",
    [
        one_destination(limits="{in_flight: 0}"),
        one_destination(limits="{in_flight: many}"),
        one_destination(name="Crm"),
        one_destination(when="{types: [trak]}"),
        one_destination(settings="{}"),
        one_destination(settings="{url: https://x.y, colour: blue}"),
        SHORT + "kafka: {sasl_password: hunter2}\n",
        SHORT + "retry: {budget: soon}\n",
        SHORT + "retries: {}\n",
        "inbound: {topic: events}\n",
    ],
)
def test_the_schema_refuses_what_we_refuse(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), configschema.generate(), jsonschema.Draft202012Validator)


def test_everything_that_can_be_set_is_described() -> None:
    schema = configschema.generate()
    sections = [schema, *schema["$defs"].values()]
    rules = {name: rule for section in sections for name, rule in section.get("properties", {}).items()}

    assert [name for name, rule in rules.items() if "description" not in rule and "$ref" not in rule] == []


def test_what_was_brought_back_is_remembered_as_long_as_the_dlq_lasts() -> None:
    # The notes of a redrive are on the attempts topic: without them it would be brought back again.
    with pytest.raises(ConfigError, match="7d is less than dlq, 14d"):
        parsed(SHORT + "kafka: {retention: {attempts: 7d}}\n")
