"""What the commands print: tables for people, JSON for programs."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from confluent_kafka import KafkaException
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streams.deadletters import DeadLetter, Redriven
from streams.replay import Job
from streams.topics import State, Status

console = Console()


def as_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))  # noqa: T201


def kafka_error(error: KafkaException) -> str:
    """librdkafka's words, and the first thing to look at."""
    fault = error.args[0]
    text = fault.str() if hasattr(fault, "str") else str(fault)
    return f"{text} (is KAFKA_BOOTSTRAP_SERVERS right, and the broker up?)"


def table(*columns: str) -> Table:
    """A table of numbers, but for the first column and those whose name begins with "<": text."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        text = index == 0 or column.startswith("<")
        made.add_column(
            column.removeprefix("<"), justify="left" if text else "right", no_wrap=index == 0, overflow="fold"
        )
    return made


# -- topics and destinations ---------------------------------------------------------------------


def topics(states: list[State], json_wanted: bool) -> int:
    """Exit status 1 when a topic is missing or could not be made."""
    if json_wanted:
        as_json([{"topic": s.topic.name, "status": s.status, "partitions": s.partitions,
                  "differences": s.differences, "reason": s.reason} for s in states])  # fmt: skip
    else:
        made = table("topic", "<status", "partitions", "<what is on it", "<differs from the config")
        for s in states:
            made.add_row(s.topic.name, s.status, str(s.partitions or "-"), s.topic.purpose,
                         s.reason or "\n".join(s.differences))  # fmt: skip
        console.print(made)
    return int(any(s.status in (Status.FAILED, Status.MISSING) for s in states))


def destinations(settings: Any, json_wanted: bool) -> None:
    rows = [
        {
            "name": one.name,
            "connector": one.connector,
            "types": list(one.when.types),
            "in_flight": one.limits.in_flight,
            "timeout_s": one.limits.timeout_s,
            "allow_private": one.network.allow_private,
        }
        for one in settings.destinations
    ]
    if json_wanted:
        return as_json(rows)
    made = table("destination", "<connector", "<types", "in flight", "timeout", "private addresses")
    for row in rows:
        made.add_row(row["name"], row["connector"], ", ".join(row["types"]), str(row["in_flight"]),
                     f"{row['timeout_s']:g} s", "allowed" if row["allow_private"] else "refused")  # fmt: skip
    return console.print(made)


def checks(results: list[dict[str, Any]], json_wanted: bool) -> int:
    """Exit status 1 when a destination can't be reached."""
    if json_wanted:
        as_json(results)
    else:
        made = table("destination", "<reachable", "<what was found")
        for result in results:
            made.add_row(result["name"], "yes" if result["reachable"] else "[red]no", result["detail"])
        console.print(made)
    return int(not all(result["reachable"] for result in results))


# -- replay and dlq ------------------------------------------------------------------------------


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; silence for a program."""
    bar = Progress(
        TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), disable=quiet
    )
    with bar:
        task = bar.add_task("replay", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def resumption(job: Job) -> str:
    """The arguments that continue a replay where it was interrupted."""
    start, end = (datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (job.from_ms, job.to_ms))
    what = f"--id {job.id} --destination {job.destination} --topic {job.topic}"
    return f"{what} --from {start} --to {end} --rate {job.rate:g}"


def replayed(job: Job, count: int, json_wanted: bool) -> None:
    if json_wanted:
        return as_json({"replay": job.id, "records": count})
    return console.print(f"{count} records of {job.topic} replayed for {job.destination} as {job.id}")


def groups(letters: Iterable[DeadLetter], json_wanted: bool) -> None:
    """Counts by destination, reason and error."""
    counted = Counter(
        (
            letter.tracking.destination if letter.tracking else "-",
            letter.death.reason,
            letter.death.error or "-",
        )
        for letter in letters
    )
    if json_wanted:
        return as_json(
            [
                dict(zip(("destination", "reason", "error", "events"), (*k, n), strict=True))
                for k, n in sorted(counted.items())
            ]
        )
    made = table("destination", "<reason", "<error", "events")
    for key, count in sorted(counted.items()):
        made.add_row(*map(harmless, key), str(count))
    return console.print(made if counted else "nothing is dead")


def letters(found: Iterable[DeadLetter], limit: int, json_wanted: bool) -> None:
    rows = [_row(letter) for letter in islice(found, limit)]
    if json_wanted:
        return as_json(rows)
    for row in rows:
        console.print(table_of(row))
    return None if rows else console.print("nothing is dead")


def _row(letter: DeadLetter) -> dict[str, Any]:
    tracking = letter.tracking
    return {
        "at": str(letter.at),
        "destination": tracking.destination if tracking else None,
        "event": tracking.event_id if tracking else None,
        "source": str(letter.source),
        "reason": letter.death.reason,
        "error": letter.death.error,
        "attempts": tracking.attempt if tracking else 0,
        "died": datetime.fromtimestamp(letter.death.at_ms / 1000, UTC).isoformat(),
        "detail": letter.death.detail,
        "value": (letter.record.value or b"")[:500].decode("utf-8", "replace"),
    }


def table_of(row: dict[str, Any]) -> Table:
    made = Table(box=None, show_header=False, pad_edge=False)
    for name, value in row.items():
        made.add_row(name, harmless(value) if value is not None else "-")
    return made


def harmless(value: Any) -> Text:
    """What somebody else wrote, as text: no markup, and what would steer the terminal is spelled out."""
    return Text("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)))


def redriven(result: Redriven, json_wanted: bool) -> None:
    if json_wanted:
        others = (result.without_destination, result.without_bytes, result.not_configured)
        names = ("without_destination", "without_bytes", "not_configured")
        return as_json({"redriven": result.back, **dict(zip(names, others, strict=True))})
    console.print(f"{result.back} events are back on their way")
    if result.without_destination:
        console.print(
            f"{result.without_destination} could never be read as events: mend the producer and replay"
        )
    if result.not_configured:
        console.print(f"{result.not_configured} are for destinations that are not in the config")
    if result.without_bytes:
        console.print(f"{result.without_bytes} were too large for the dlq: replay them from their source")
    return None
