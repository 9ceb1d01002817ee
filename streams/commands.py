"""What the commands do, apart from how it is shown: they connect the rooms to a running Kafka."""

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from streams import codec, deadletters, logs, moments, reach, topics
from streams.codec import Decoder
from streams.deadletters import DeadLetter, Redriven, Wanted
from streams.decoding.registry import NoRegistry, Registry, RegistryUnavailable
from streams.decoding.undecodable import Undecodable
from streams.destinations import Audience, Destination, configured
from streams.ledger.books import Books as Books
from streams.ledger.verbs import keeper as keeper
from streams.ledger.verbs import status as status
from streams.letters import Letters
from streams.producer import Outgoing, Producer
from streams.replay import Job, Replay, stretch
from streams.route import Router
from streams.scan import ANSWER_S
from streams.scan import scanner as scanner
from streams.settings import Settings
from streams.topics import Names, State, Status
from streams.unusable import Unusable as Unusable

log = logging.getLogger(__name__)

#: Events written together by `produce`.
CHUNK = 500


def worker(settings: Settings, instance_id: str | None, log_level: str, log_json: bool) -> None:
    """Run a worker until it is told to stop."""
    from streams.app import build  # Faust takes a second to import; other commands do without it
    from streams.worker import run

    if log_level.upper() not in logs.LEVELS:
        raise Unusable(f"no log level {log_level!r}; there are: {', '.join(logs.LEVELS).lower()}")
    logs.setup(log_level, settings.secrets(), as_json=log_json)
    expect_answer(settings)
    missing = [state for state in topics_of(settings, create=True) if state.status is Status.FAILED]
    if missing:
        raise Unusable("\n".join(f"topic {state.topic.name}: {state.reason}" for state in missing))
    _check_registry(settings)
    run(build(settings, instance_id))


def expect_answer(settings: Settings) -> None:
    """Raises KafkaException when no broker answers: a producer would try for ever, and say nothing."""
    AdminClient(settings.kafka.confluent("distributary-command") | {"log_level": 0}).list_topics(
        timeout=ANSWER_S
    )


def _check_registry(settings: Settings) -> None:
    """A wrong URL would make every event of a registered schema undecodable: better not to start.

    A registry that is away holds up such events alone, when they come.
    """
    if registry := Registry.of(settings.kafka):
        try:
            registry.check()
        except NoRegistry as fault:
            raise Unusable(f"kafka.schema_registry_url: {fault}") from None
        except RegistryUnavailable as fault:
            log.warning("registry.unavailable: %s", fault)
        finally:
            registry.close()


def topics_of(settings: Settings, *, create: bool) -> list[State]:
    """Every topic and its state; missing ones are created if so asked."""
    admin = AdminClient({**settings.kafka.confluent("distributary-admin"), "log_level": 0})
    return (topics.create if create else topics.describe)(admin, topics.plan(settings))


@asynccontextmanager
async def letters(settings: Settings) -> AsyncIterator[Letters]:
    expect_answer(settings)
    producer = Producer(settings.kafka.confluent("distributary-command"))
    try:
        yield Letters(producer, Names.of(settings).dlq)
    finally:
        await producer.close()


# -- produce -------------------------------------------------------------------------------------


async def produce(settings: Settings, file: Path, avro: bool) -> int:
    """Write the events of a file to the inbound topic; returns how many."""
    encode = codec.encode_avro if avro else codec.encode_json
    count = 0
    async with letters(settings) as out:
        for chunk in _chunks(_events(file)):
            records = [Outgoing(settings.inbound.topic, encode(event), _key(event)) for event in chunk]
            await out.send(records)
            count += len(records)
    return count


def _events(file: Path) -> Iterator[dict[str, Any]]:
    decoder = Decoder(None)
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except Undecodable as fault:
            raise Unusable(f"{file}:{number}: {fault}") from None


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with open(0, "rb", closefd=False) if str(file) == "-" else file.open("rb") as lines:
            yield from lines
    except OSError as error:
        raise Unusable(f"{file}: can't be read: {error.strerror}") from None


def _key(event: dict[str, Any]) -> bytes | None:
    """Events of one person stay in order, as far as a topic goes."""
    who = event.get("userId") or event.get("anonymousId")
    return str(who).encode() if who else None


def _chunks(events: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(itertools.islice(events, CHUNK)):
        yield chunk


# -- replay and redrive --------------------------------------------------------------------------


def job(
    settings: Settings,
    destination: str,
    start: str,
    end: str,
    topic: str | None,
    rate: float,
    name: str | None,
) -> Job:
    """What is to be replayed, checked."""
    there_are = [one.name for one in settings.destinations]
    if destination not in there_are:
        raise Unusable(f"no destination {destination!r}; there are: {', '.join(there_are)}")
    from_ms, to_ms = _moment(start), _moment(end)
    if from_ms >= to_ms:
        raise Unusable(f"--from {start} is not before --to {end}")
    made_up = f"replay-{destination}-{_stamp(from_ms)}-{_stamp(to_ms)}"
    return Job(name or made_up, topic or settings.inbound.topic, destination, from_ms, to_ms, rate)


def _moment(text: str) -> int:
    try:
        return moments.parse(text)
    except ValueError as error:
        raise Unusable(str(error)) from None


def _stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")


async def replay(settings: Settings, job: Job, progress: Callable[[int, int], None]) -> int:
    """Run a replay; `progress` is told how many records of how many are done."""
    names = Names.of(settings)
    with scanner(settings) as scan:
        async with letters(settings) as out:
            router = Router(
                Decoder(Registry.of(settings.kafka), settings.kafka.max_record_bytes),
                Audience(configured(settings)),
                out,
                names,
            )
            try:
                what = await asyncio.to_thread(stretch, scan, names, job)
            except LookupError as missing:
                raise Unusable(str(missing)) from None
            return await Replay(scan, router, job).run(what, progress)


def wanted(destination: str | None, reason: str | None, error: str | None, event: str | None) -> Wanted:
    return Wanted(destination, reason, error, event)


async def check(settings: Settings) -> list[dict[str, Any]]:
    """Resolve and connect to each destination; nothing is sent."""
    return list(await asyncio.gather(*(_check(one) for one in configured(settings))))


async def _check(one: Destination) -> dict[str, Any]:
    reachable, detail = await reach.look(
        one.bound.endpoint, one.network.allow_private, one.limits.connect_timeout_s
    )
    return {"name": one.name, "reachable": reachable, "detail": detail}


def dead(settings: Settings, chosen: Wanted) -> Iterator[DeadLetter]:
    """What is dead now, of what was chosen."""
    with scanner(settings) as scan:
        yield from deadletters.dead(scan, Names.of(settings), chosen)


async def redrive(settings: Settings, chosen: Wanted, limit: int | None) -> Redriven:
    """Bring dead events back, at most `limit`."""
    found = itertools.islice(dead(settings, chosen), limit)
    async with letters(settings) as out:
        return await deadletters.redrive(out, Names.of(settings), found, f"redrive-{os.getpid()}")
