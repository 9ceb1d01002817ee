"""A broker that lives and takes nothing: records too large, no right, no quota, no room on its disk."""

import random
import resource
import string
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import httpx
import yaml
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams import attempts, codec, commands
from streams.demo import ports
from streams.verify import cast, cluster, rights
from streams.verify.cast import Planned
from streams.verify.cluster import KAFKA, Way
from streams.verify.destination import Arrival
from streams.verify.faults.base import Scenario
from streams.verify.script import Script
from streams.verify.stage import Stage, Stuck

#: What topics still take, in the scenario of records too large; the load's own are far smaller.
SMALL = 12_000
NEEDS_RIGHTS = "it sets rights and quotas"


@dataclass(frozen=True)
class RecordRefused(Scenario):
    """Topics take less than they did: what does not fit any more goes to the dlq, there without its bytes."""

    each: int = 4

    def inject(self, stage: Stage) -> None:
        delays, dlq = stage.names.all_delay, [stage.names.dlq]
        stage.wait_written(0.2)
        _take_at_most(stage, delays, SMALL)
        self._write(stage, "no-delay", (503, 200), "dead too-large")
        stage.wait_written(0.4)
        _take_at_most(stage, dlq, SMALL)
        self._write(stage, "no-dlq", (400,), "dead rejected")
        self._write(stage, "neither", (503, 200), "dead too-large")
        stage.wait("all of these are dead", lambda: self._dead(stage) >= self.each * 3)
        _take_at_most(stage, delays + dlq, KAFKA["max_record_bytes"])
        self._write(stage, "again", (503, 200), "delivered")

    def _write(self, stage: Stage, name: str, script: Script, fate: str) -> None:
        """Some large events that the moody one answers so."""
        for number in range(self.each):
            noise = "".join(random.Random(name).choices(string.printable, k=2 * SMALL))  # noqa: S311
            event = {"type": "page", "userId": "u1", "properties": {"noise": noise}}
            scripts = {role.name: (200,) for role in self.roles} | {"moody": script}
            one = cast.planned(f"{name}-{number}", event, scripts, self.roles, stage.rules())
            stage.write(
                codec.encode_json(dict(one.event)), Planned(one.id, one.event, {**one.fates, "moody": fate})
            )

    def _dead(self, stage: Stage) -> int:
        """How many of them have had their first attempt, for long enough to be settled."""
        ids = {planned.id for planned in stage.besides.values()}
        asked = [one for one in stage.arrivals() if one.to == "moody" and one.event in ids]
        return len(asked) if asked and time.time() - asked[-1].at > 1.5 else 0


def _take_at_most(stage: Stage, topics: Sequence[str], size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    asked = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in topics]
    for done in stage.admin.incremental_alter_configs(asked, request_timeout=15).values():
        done.result()
    time.sleep(0.5)  # the broker hears of it a moment later


@dataclass(frozen=True)
class AsUser(Scenario):
    """Workers come as a user, by TLS and with a password; they have a web page each."""

    def prepare(self, stage: Stage) -> None:
        rights.allow_everything(stage.admin, stage.names.prefix)
        for port in (ports.free(), ports.free()):
            config = stage.kafka.through(Way.USER, stage.config, port)
            stage.start_worker(ready=False, config=config)
        stage.wait_members(2)


@dataclass(frozen=True)
class Unauthorized(AsUser):
    """The right to write outcomes is taken away, under load, and given back."""

    def inject(self, stage: Stage) -> None:
        topics = self._forbidden(stage)
        stage.wait_written(0.2)
        # One after the other: what can't be settled soon holds up all of its destination, and what can't be
        # put on a deliver topic holds up the routing.
        for topic in topics:
            rights.forbid_writing(stage.admin, [topic])
            said = partial(_said, stage, _refused(topic))
            stage.wait(f"it is said that {topic} is refused", said, 20)
        stage.wait("/readyz shows it", lambda: 503 in self._readiness(stage), 5)
        time.sleep(4.0)
        rights.allow_writing(stage.admin, topics)
        stage.wait("/readyz is well again", lambda: set(self._readiness(stage)) == {200}, 30)

    def _readiness(self, stage: Stage) -> list[int]:
        """What /readyz of each worker answers."""
        found = []
        for config in stage.folder.glob(f"{Way.USER}-*.yaml"):
            port = yaml.safe_load(config.read_text())["worker"]["port"]
            found.append(httpx.get(f"http://{ports.LOOPBACK}:{port}/readyz", trust_env=False).status_code)
        return found

    def _forbidden(self, stage: Stage) -> list[str]:
        return [stage.names.dlq, stage.names.delay("300ms"), stage.names.deliver("choosy")]

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterable[str]:
        """Said once by each worker for each topic, and taken back: a flood would hide it."""
        for topic in self._forbidden(stage):
            for worker in stage.workers:
                said = worker.text()
                refused, over = said.count(_refused(topic)), said.count(_taken(topic))
                if refused > 2 or over != refused:
                    yield f"{worker.name}, {topic}: said {refused} times to be refused, {over} times taken"


@dataclass(frozen=True)
class TierRefused(AsUser):
    """A delay topic takes nothing for a while: those who need it wait, the others do not."""

    def counts(self, events: int) -> int:
        """So many that whatever ends, ends beside something that can't be written."""
        return 5 * events

    def inject(self, stage: Stage) -> None:
        tier = stage.names.delay("300ms")
        stage.wait_written(0.2)
        rights.forbid_writing(stage.admin, [tier])
        stage.wait(f"it is said that {tier} is refused", partial(_said, stage, _refused(tier)), 20)
        time.sleep(5.0)
        rights.allow_writing(stage.admin, [tier])


def _said(stage: Stage, text: str) -> bool:
    """Whether some worker has logged this."""
    return any(text in worker.text() for worker in stage.workers)


def _refused(topic: str) -> str:
    return f"produce.refused topic={topic} error=TOPIC_AUTHORIZATION_FAILED"


def _taken(topic: str) -> str:
    return f"produce.taken_again topic={topic} "


@dataclass(frozen=True)
class Quota(AsUser):
    """The user may write a trickle, far less than there is to write; and then as much as it likes."""

    bytes_per_s: int = 1_500
    lasts_s: float = 6.0

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.2)
        rate = self._rate(stage, 2.0)
        rights.limit_writing(stage.kafka.local, self.bytes_per_s)
        try:
            time.sleep(2.0)
            limited = self._rate(stage, self.lasts_s)
        finally:
            rights.unlimit_writing(stage.kafka.local)
        stage.figures["outcomes a second before and under the quota"] = f"{rate:.0f}, {limited:.0f}"
        if limited > rate / 2:
            raise Stuck(f"the quota held nothing back: {limited:.0f} outcomes a second, before it {rate:.0f}")

    def _rate(self, stage: Stage, for_s: float) -> float:
        """Outcomes a second."""
        began, before = time.monotonic(), self._written(stage)
        time.sleep(for_s)
        ended = time.monotonic()
        return (self._written(stage) - before) / (ended - began)

    def _written(self, stage: Stage) -> int:
        """How many outcomes there are."""
        with commands.scanner(stage.settings) as scanner:
            chunks = scanner.read({}, scanner.ends(scanner.partitions([stage.names.attempts])))
            return sum(1 for _ in attempts.readable(record.value for chunk in chunks for record in chunk))


@dataclass(frozen=True)
class DiskFull(Scenario):
    """No file of the broker may grow any more: it gives its log up and ends; with room, it is started again.

    The limit on a file's size is what anybody may set for a process of their own; to a broker it is what a
    full disk is: a write that fails, perhaps half-way.
    """

    def left_out(self, *, local: bool) -> str:
        if not hasattr(resource, "prlimit"):
            return f"{sys.platform} can't limit the files of a process that runs"
        return super().left_out(local=local)

    def inject(self, stage: Stage) -> None:
        stage.wait_written(0.3)
        committed, _ = stage.extent()
        kafka = stage.kafka.local
        assert kafka.pid is not None
        _, hard = resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE)
        largest = max(
            file.stat().st_size for file in (kafka.folder / "data").glob(f"{stage.names.prefix}*/*.log")
        )
        resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE, (largest + 1_000, hard))
        stage.wait("the broker gives up", lambda: kafka.pid is None)
        time.sleep(3.0)
        kafka.start()
        stage.admin = cluster.asks(stage.settings)
        stage.struck("the broker's disk was full", committed=committed, holds=True)
        stage.wait("workers share the partitions again", lambda: stage.members() >= 1, 90)


SCENARIOS: tuple[Scenario, ...] = (
    RecordRefused(
        "record-refused", "delay topics and the dlq take smaller records than before, then as before",
        seconds=8.0, once=True,
    ),
    Unauthorized(
        "unauthorized", "as a user, by TLS: the right to write to some topics denied, and given back",
        seconds=12.0, once=True, only_local=True, why_local=NEEDS_RIGHTS,
    ),
    TierRefused(
        "tier-refused", "as a user, by TLS: the right to write to a delay topic denied; the others go on",
        seconds=10.0, once=True, longest_stall_s=2.0, only_local=True, why_local=NEEDS_RIGHTS,
    ),
    Quota(
        "quota", "as a user, by TLS: a quota so low that almost nothing can be written, then lifted",
        seconds=14.0, once=True, only_local=True, why_local=NEEDS_RIGHTS,
    ),
    DiskFull(
        "disk-full", "no file of the broker may grow: it gives up, and is started with room again",
        seconds=15.0, only_local=True,
    ),
)  # fmt: skip
