"""What a local broker lets the worker's user do: rights on topics and groups, and how fast it may write."""

from collections.abc import Sequence

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streams.demo.broker import LocalKafka
from streams.verify.kafkas import USER

_PRINCIPAL = f"User:{USER}"
_CONFIGS = "kafka.admin.ConfigCommand"


def allow_everything(admin: AdminClient, prefix: str) -> None:
    """Everything on the topics and groups of a scenario, and nothing else."""
    kinds = (ResourceType.TOPIC, ResourceType.GROUP)
    _add(admin, [_rule(kind, prefix, ResourcePatternType.PREFIXED, AclOperation.ALL) for kind in kinds])


def forbid_writing(admin: AdminClient, topics: Sequence[str]) -> None:
    """No more Write on these topics: a denial counts more than what is allowed."""
    denied = AclPermissionType.DENY
    literal = ResourcePatternType.LITERAL
    _add(admin, [_rule(ResourceType.TOPIC, name, literal, AclOperation.WRITE, denied) for name in topics])


def allow_writing(admin: AdminClient, topics: Sequence[str]) -> None:
    """Take the denials back."""
    rules = [
        AclBindingFilter(
            ResourceType.TOPIC, name, ResourcePatternType.LITERAL, _PRINCIPAL, "*",
            AclOperation.WRITE, AclPermissionType.DENY,
        )
        for name in topics
    ]  # fmt: skip
    for done in admin.delete_acls(rules, request_timeout=15).values():
        done.result()


def limit_writing(kafka: LocalKafka, bytes_per_s: int) -> None:
    """A quota of the user: the broker holds back its answers, and reads nothing more meanwhile."""
    _quota(kafka, "--add-config", f"producer_byte_rate={bytes_per_s}")


def unlimit_writing(kafka: LocalKafka) -> None:
    _quota(kafka, "--delete-config", "producer_byte_rate")


def _quota(kafka: LocalKafka, *what: str) -> None:
    """librdkafka has no request for it, so Kafka's own tool does it."""
    kafka.tool(_CONFIGS, "--alter", *what, "--entity-type", "users", "--entity-name", USER)


def _add(admin: AdminClient, rules: Sequence[AclBinding]) -> None:
    for done in admin.create_acls(list(rules), request_timeout=15).values():
        done.result()


def _rule(
    kind: ResourceType,
    name: str,
    pattern: ResourcePatternType,
    operation: AclOperation,
    permission: AclPermissionType = AclPermissionType.ALLOW,
) -> AclBinding:
    return AclBinding(kind, name, pattern, _PRINCIPAL, "*", operation, permission)
