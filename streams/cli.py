"""The `distributary` command. Each verb is a few lines that call a room."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from streams import commands, durations, show
from streams.config import schema as config_schema
from streams.config.problems import ConfigError
from streams.ledger import shown, verbs
from streams.settings import load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Every event from a Kafka topic to every HTTP destination that should have it.",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topics that Distributary uses.")
destinations_app = typer.Typer(no_args_is_help=True, help="The configured destinations.")
dlq_app = typer.Typer(no_args_is_help=True, help="What is dead: look at it, bring it back.")
app.add_typer(topics_app, name="topics")
app.add_typer(destinations_app, name="destinations")
app.add_typer(dlq_app, name="dlq")

Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="DISTRIBUTARY_CONFIG", help="The YAML file with destinations and settings."
    ),
]
CONFIG = Path("distributary.yaml")
Json = Annotated[bool, typer.Option("--json", help="JSON, for a program to read.")]
Destination = Annotated[str | None, typer.Option("--destination", "-d", help="Only this destination.")]
Reason = Annotated[str | None, typer.Option(help="Only this reason: rejected, credentials, exhausted, ...")]
Error = Annotated[str | None, typer.Option(help="Only this error: 400, ECONNREFUSED, ...")]
EventId = Annotated[str | None, typer.Option("--event", help="Only this event id.")]
StateFile = Annotated[
    Path | None,
    typer.Option("--state", help="Go on from this file, and keep in it what was read; made if missing."),
]


def main() -> None:
    """The entry point: errors a person can act on are one or a few lines, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("streams.librdkafka").setLevel(logging.CRITICAL)  # the worker sets up its own
    try:
        app()
    except (ConfigError, commands.Unusable) as error:
        sys.exit(f"error: {error}")
    except KafkaException as error:
        sys.exit(f"error: Kafka: {show.kafka_error(error)}")


# -- run -----------------------------------------------------------------------------------------


@app.command()
def worker(
    config: Config = CONFIG,
    instance_id: Annotated[
        str | None,
        typer.Option(
            envvar="DISTRIBUTARY_INSTANCE_ID",
            help="A name that survives a restart (a pod's in a StatefulSet): restarting moves no partitions.",
        ),
    ] = None,
    log_level: Annotated[str, typer.Option(envvar="DISTRIBUTARY_LOG_LEVEL")] = "info",
    log_json: Annotated[bool, typer.Option(envvar="DISTRIBUTARY_LOG_JSON", help="Log JSON lines.")] = False,
) -> None:
    """Route, deliver and delay, until SIGTERM. Several workers share the load as one consumer group."""
    commands.worker(load(config), instance_id, log_level, log_json)


@app.command()
def demo(
    events: Annotated[int, typer.Option(min=10, help="How many events to produce.")] = 2000,
    seconds: Annotated[int, typer.Option(min=5, help="Produce them over this time.")] = 30,
    workers: Annotated[int, typer.Option(min=1, max=8)] = 2,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    as_json: Json = False,
) -> None:
    """See it work: a local Apache Kafka, workers, a hostile destination, and the sums at the end."""
    try:  # packages that a worker does not need
        import cryptography  # noqa: F401
        import jgo  # noqa: F401

        from streams.demo import run
    except ImportError as missing:
        raise commands.Unusable(f"the demo needs {missing.name}: pip install 'distributary[demo]'") from None
    sys.exit(run.demo(run.Options(events, seconds, workers, keep, as_json)))


@app.command()
def verify(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A config file: its Kafka is used, and nothing else of it."),
    ] = None,
    faults: Annotated[
        str | None, typer.Option(help="Only these scenarios: a,b,c; `kill-*` is all that begin so.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same events and the same choices again.")] = None,
    events: Annotated[int, typer.Option(min=20, help="Events in each scenario.")] = 300,
    rate: Annotated[float, typer.Option(min=1, help="At most so many events per second.")] = 200.0,
    kills: Annotated[int, typer.Option(min=1, help="Faults of `random-kills` and `random-faults`.")] = 5,
    duration: Annotated[
        str, typer.Option(help="Play rounds, each with another seed, for this long: 2h, 90m.")
    ] = "0s",
    keep: Annotated[Path | None, typer.Option(help="Keep configs and logs in this folder.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    as_json: Json = False,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file, as a page.")] = None,
) -> None:
    """Prove that nothing is lost: load, faults on purpose, and what became of every event."""
    from streams.verify import faults as scenarios
    from streams.verify import report, run
    from streams.verify.options import Options

    if only_list:
        report.listing(scenarios.SCENARIOS)
        return
    try:
        duration_s = durations.parse(duration)
    except ValueError as wrong:
        raise commands.Unusable(f"--duration: {wrong}") from None
    options = Options(config, faults, seed, events, rate, kills, duration_s, as_json, html, keep)
    sys.exit(run.verify(options))


# -- look ----------------------------------------------------------------------------------------


@app.command()
def status(
    config: Config = CONFIG,
    by: Annotated[str | None, typer.Option(help="Also by time of acceptance, so long each: 1h, 10m.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Only what was accepted since: ISO 8601, or a duration ago.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="And before this; default: now.")] = None,
    state: StateFile = None,
    only_unaccounted: Annotated[
        bool, typer.Option("--unaccounted", help="Only the unaccounted events: place, tab, destination.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What became of every event, per destination, computed from the topics; `unaccounted` must be 0."""
    wanted = verbs.asked(by, start, end, only_unaccounted)
    books = verbs.status(load(config), wanted, state, lambda text: typer.echo(text, err=True))
    if only_unaccounted:
        lines = shown.unaccounted(books)
        show.as_json([line.split("\t") for line in lines]) if as_json else [*map(typer.echo, lines)]
    else:
        show.as_json(books.as_json()) if as_json else shown.status(books)
    sys.exit(0 if books.balanced else 1)


@app.command()
def exporter(
    config: Config = CONFIG,
    every: Annotated[str, typer.Option(help="How often the topics are read.")] = "30s",
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "0.0.0.0",  # noqa: S104 - see worker.host
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to serve on.")] = 6067,
    state: StateFile = None,
    log_json: Annotated[bool, typer.Option(envvar="DISTRIBUTARY_LOG_JSON", help="Log JSON lines.")] = False,
) -> None:
    """The sums of `status` as Prometheus metrics, kept up to date, until SIGTERM."""
    verbs.export(load(config), verbs.pause(every), host, port, state, log_json)


@topics_app.command("create")
def topics_create(config: Config = CONFIG, as_json: Json = False) -> None:
    """Create the topics that are missing; say where existing ones fall short of what is configured."""
    sys.exit(show.topics(commands.topics_of(load(config), create=True), as_json))


@topics_app.command("list")
def topics_list(config: Config = CONFIG, as_json: Json = False) -> None:
    """Every topic that is used: whether it is there, and what it is for."""
    sys.exit(show.topics(commands.topics_of(load(config), create=False), as_json))


@destinations_app.command("list")
def destinations_list(config: Config = CONFIG, as_json: Json = False) -> None:
    """The configured destinations, without their secrets."""
    show.destinations(load(config), as_json)


@destinations_app.command("check")
def destinations_check(config: Config = CONFIG, as_json: Json = False) -> None:
    """Resolve each destination's address and connect to it; nothing is sent."""
    sys.exit(show.checks(asyncio.run(commands.check(load(config))), as_json))


@app.command()
def schema() -> None:
    """The JSON Schema of the config file, for editors (docs/distributary.schema.json)."""
    typer.echo(config_schema.text(config_schema.generate()), nl=False)


# -- write ---------------------------------------------------------------------------------------


@app.command()
def produce(
    file: Annotated[Path, typer.Argument(help="JSON lines, one event each; - is standard input.")] = Path(
        "-"
    ),
    config: Config = CONFIG,
    avro: Annotated[
        bool, typer.Option("--avro", help="Write Avro (single-object encoding), not JSON.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write events to the inbound topic."""
    count = asyncio.run(commands.produce(load(config), file, avro))
    show.as_json({"produced": count}) if as_json else typer.echo(f"{count} events written")


@app.command()
def replay(
    destination: Annotated[str, typer.Option("--destination", "-d", help="The one destination it is for.")],
    start: Annotated[str, typer.Option("--from", help="ISO 8601 time, or a duration ago: 24h.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 time, or a duration ago; default: now.")] = "0s",
    topic: Annotated[str | None, typer.Option(help="The archived topic; default: the inbound topic.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Events per second.")] = 500.0,
    replay_id: Annotated[
        str | None, typer.Option("--id", help="A name; give the same again to go on after an interruption.")
    ] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> None:
    """Re-consume a topic from a time to a time, for one destination."""
    settings = load(config)
    job = commands.job(settings, destination, start, end, topic, rate, replay_id)
    try:
        with show.progress(as_json) as progress:
            count = asyncio.run(commands.replay(settings, job, progress))
    except KeyboardInterrupt:
        sys.exit(f"interrupted. To go on: distributary replay {show.resumption(job)}")
    show.replayed(job, count, as_json)


@dlq_app.command("list")
def dlq_list(
    destination: Destination = None, reason: Reason = None, error: Error = None, event: EventId = None,
    config: Config = CONFIG, as_json: Json = False,
) -> None:  # fmt: skip
    """What is dead now, grouped by destination, reason and error."""
    show.groups(commands.dead(load(config), commands.wanted(destination, reason, error, event)), as_json)


@dlq_app.command("show")
def dlq_show(
    destination: Destination = None, reason: Reason = None, error: Error = None, event: EventId = None,
    limit: Annotated[int, typer.Option(min=1)] = 20,
    config: Config = CONFIG, as_json: Json = False,
) -> None:  # fmt: skip
    """Dead events one by one: where they came from, how they died, what the destination said."""
    show.letters(
        commands.dead(load(config), commands.wanted(destination, reason, error, event)), limit, as_json
    )


@dlq_app.command("redrive")
def dlq_redrive(
    destination: Destination = None, reason: Reason = None, error: Error = None, event: EventId = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is dead.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many.")] = None,
    config: Config = CONFIG, as_json: Json = False,
) -> None:  # fmt: skip
    """Bring dead events back to their destination: a new retry budget, the same idempotency key."""
    chosen = commands.wanted(destination, reason, error, event)
    if not (everything or chosen.any):
        raise commands.Unusable("say which: --destination, --reason, --error, --event; or --all")
    show.redriven(asyncio.run(commands.redrive(load(config), chosen, limit)), as_json)


if __name__ == "__main__":
    main()
