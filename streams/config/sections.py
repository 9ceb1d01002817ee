"""The sections of the config file: every setting with its unit, default and meaning.

How they fit together: `streams.settings`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
    model_validator,
)

import connectors
from connectors.base import Bound
from connectors.event import EVENT_TYPES
from streams import durations
from streams.config import kafka, problems
from streams.config.fields import (
    DestinationName,
    Duration,
    File,
    Flag,
    GroupName,
    Number,
    Path,
    Prefix,
    Section,
    Text,
    TopicName,
    Whole,
    Wrong,
    changed,
    lasting,
    plain,
)
from streams.retry import Policy, Tier

#: What waits in a topic must survive that nobody reads it for this long, seconds.
OUTAGE_S = 86_400.0


def _event_type(value: Any) -> str:
    if plain(value) not in EVENT_TYPES:
        raise ValueError(f"is not one of {', '.join(EVENT_TYPES)}")
    return str(plain(value))


EventType = Annotated[
    str, BeforeValidator(_event_type), WithJsonSchema({"type": "string", "enum": [*EVENT_TYPES]})
]
Wait = Annotated[Duration, Field(gt=0)]


def _out_of_order(
    steps: Sequence[float], right: Callable[[float, float], bool], words: str
) -> list[tuple[Path, str]]:
    return [
        ((index,), f"{durations.name(this)} {words} before it, {durations.name(last)}")
        for index, (last, this) in enumerate(pairwise(steps), 1)
        if not right(this, last)
    ]


def _tiers(steps: Sequence[float]) -> tuple[Tier, ...]:
    return tuple(Tier(durations.name(step), step) for step in steps)


class Inbound(Section):
    """Where events come from."""

    topic: TopicName
    """The topic that producers write events to."""


class When(Section):
    """Which events a destination should have."""

    types: tuple[EventType, ...] = Field(default=EVENT_TYPES, min_length=1)
    """Event types; all six unless said. What the connector can't take is filtered, too."""


class Limits(Section):
    """How hard a destination may be pressed, by each worker."""

    in_flight: Whole = Field(default=50, ge=1, le=1000)
    """Requests under way at once."""
    timeout_s: Number = Field(default=10.0, ge=0.1, le=120)
    """Seconds for a whole request, from connecting to the end of the answer."""
    connect_timeout_s: Number = Field(default=5.0, ge=0.1, le=120)
    """Seconds for connecting, TLS included."""


class Network(Section):
    """Where requests to a destination may go."""

    allow_private: Flag = False
    """Also to private and loopback addresses: for destinations inside your own network."""
    ca_file: File | None = None
    """PEM file of authorities that may sign the destination's certificate, besides the usual ones."""


class Destination(Section):
    """One place that events are delivered to."""

    name: DestinationName
    """Names the topic `deliver.<name>`; a destination with another name is another destination."""
    connector: Text
    """What kind of destination it is: webhook, mixpanel, ga4, slack, ..."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the connector must be told. Secrets only by reference: ${NAME} or ${file:/path}."""
    when: When = When()
    limits: Limits = Limits()
    network: Network = Network()

    @field_validator("connector")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in (there_are := connectors.available()):
            raise ValueError(problems.unknown(name, there_are))
        return name

    @field_validator("settings")
    @classmethod
    def _fit(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        given = {name: value for name, value in given.items() if value is not None}
        connector = info.data.get("connector")  # absent if it was wrong, which has been said
        if connector and (found := problems.of_settings(connectors.load(connector), given)):
            raise Wrong(found)
        return given

    @field_serializer("settings")
    def _hide(self, settings: dict[str, Any]) -> Any:
        return changed(settings, repr)

    def bound(self) -> Bound:
        """Its connector with its settings, secrets revealed."""
        return connectors.load(self.connector).bind(changed(self.settings, plain))


class Retry(Section):
    """When a failed delivery is tried again."""

    tiers: tuple[Wait, ...] = lasting(("1m", "10m", "1h"), min_length=1)
    """The delays there are, each longer than the one before; each is a topic."""
    plan: tuple[Wait, ...] = lasting((*["1m"] * 3, *["10m"] * 3, *["1h"] * 3))
    """The delay after the first failure, the second, ...: each a tier, none shorter than the one before."""
    budget: Wait = lasting("4h")
    """How long after its first attempt an event is still tried."""
    jitter: Number = Field(default=0.15, ge=0, le=1)
    """Up to this share of a delay is added to it at random, so that what failed together comes back apart."""

    @field_validator("tiers")
    @classmethod
    def _ascend(cls, tiers: tuple[float, ...]) -> tuple[float, ...]:
        if found := _out_of_order(tiers, lambda this, last: this > last, "is not longer than the tier"):
            raise Wrong(found)
        return tiers

    @field_validator("plan")
    @classmethod
    def _follows(cls, plan: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        tiers = info.data.get("tiers", plan)
        names = ", ".join(map(durations.name, tiers))
        strange = [(i, step) for i, step in enumerate(plan) if step not in tiers]
        found = _out_of_order(plan, lambda this, last: this >= last, "is shorter than the step")
        found += [((i,), f"{durations.name(step)} is none of the tiers {names}") for i, step in strange]
        if found:
            raise Wrong(found)
        return plan

    @field_validator("budget")
    @classmethod
    def _suffices(cls, budget: float, info: ValidationInfo) -> float:
        if (needed := sum(info.data.get("plan", ()))) > budget:
            sums = f"{durations.name(budget)} is less than the plan adds up to, {durations.name(needed)}"
            raise Wrong([((), sums)])
        return budget

    @property
    def policy(self) -> Policy:
        """The same, for `streams.retry`."""
        return Policy(_tiers(self.tiers), _tiers(self.plan), self.budget, self.jitter)


class Retention(Section):
    """How long each kind of topic keeps its records."""

    deliver: Duration = lasting("7d", ge=OUTAGE_S)
    """What is on its way to a destination: must outlast the longest outage of a destination or of ours."""
    delay: Duration = lasting("7d", ge=OUTAGE_S)
    """What waits to be tried again: must outlast the longest tier and an outage of a day."""
    attempts: Duration = lasting("14d", ge=60)
    """How each attempt ended. `distributary status` counts back as far as this and `routed` reach.
    At least as long as dlq, because they also say what was brought back from there."""
    routed: Duration = lasting("7d", ge=60)
    """Which events went where."""
    dlq: Duration = lasting("14d", ge=60)
    """What ended without being delivered: the time there is to bring it back."""

    @model_validator(mode="after")
    def _remembers(self) -> "Retention":
        if self.attempts < self.dlq:
            text = f"{durations.name(self.attempts)} is less than dlq, {durations.name(self.dlq)}"
            raise Wrong([(("attempts",), text)])
        return self


class Kafka(kafka.Connection):
    """The brokers, and our topics on them. Connection settings in the environment win over these."""

    prefix: Prefix = "distributary."
    """What the names of our own topics begin with."""
    group: GroupName = "distributary"
    """The consumer group of the workers; those with the same group share the work."""
    partitions: Whole = Field(default=8, ge=1, le=1000)
    """Of each of our topics: no more workers than this can share one."""
    replication_factor: Whole = Field(default=-1, ge=-1, le=9)
    """Copies of each record; -1 leaves it to the brokers."""
    retention: Retention = Retention()
    max_record_bytes: Whole = Field(default=2 * 1024 * 1024, ge=100_000, le=64 * 1024 * 1024)
    """Bytes of the largest record on our topics. More than the inbound topic allows (Kafka's default
    is 1 MiB), because headers are added."""

    @field_validator("replication_factor")
    @classmethod
    def _has_copies(cls, copies: int) -> int:
        if copies == 0:
            raise ValueError("is no copy at all: give -1 or a whole number from 1 to 9")
        return copies


class Worker(Section):
    """The worker process."""

    host: Text = Field(default="0.0.0.0", min_length=1)  # noqa: S104 - Kubernetes asks from outside the pod
    """Address that /healthz, /readyz and /metrics are served on."""
    port: Whole = Field(default=6066, ge=0, le=65_535)
    """Port that they are served on; 0: nothing is served."""
    drain: Duration = lasting("15s", ge=0.1, le=300)
    """How long deliveries under way may take to finish at a stop or a rebalance: at least the longest
    timeout_s of a destination. Unless said, that if it is longer than this default."""
    rebalance_timeout: Duration = lasting("60s", ge=20, le=900)
    """How long a worker may take to rejoin the group before its work is given to others: more than drain.
    Unless said, drain and 30s if that is longer than this default."""
    session_timeout: Duration = lasting("20s", ge=1, le=45)
    """How long after the last sign of life a worker is taken for dead; brokers refuse less than 6s."""
    commit_interval: Duration = lasting("500ms", ge=0.05, le=10)
    """How often offsets are committed: what was delivered since is delivered again after a crash."""

    def fitting(self, timeout_s: float) -> "Worker":
        """The same, with what is not said made long enough for such requests. Wrong if the rest isn't."""
        drain = self.drain if "drain" in self.model_fields_set else max(self.drain, timeout_s)
        rebalance = self.rebalance_timeout
        if "rebalance_timeout" not in self.model_fields_set:
            rebalance = max(rebalance, drain + 30)
        if drain < timeout_s:
            reason = f"less than the longest timeout_s of a destination, {timeout_s:g}"
            raise Wrong([(("drain",), f"{durations.name(drain)} is {reason}")])
        if rebalance <= drain:
            reason = f"not more than drain, {durations.name(drain)}"
            raise Wrong([(("rebalance_timeout",), f"{durations.name(rebalance)} is {reason}")])
        return self.model_copy(update={"drain": drain, "rebalance_timeout": rebalance})
