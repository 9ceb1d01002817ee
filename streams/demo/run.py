"""`distributary demo`: the whole product on one machine, against a destination that misbehaves.

Everything it starts is a process of its own, as in production: Kafka, the destination server and the
workers. All of them end with the demo, unless it is told to keep them.
"""

import asyncio
import contextlib
import os
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx
from rich.console import Console

from streams import codec, commands, show
from streams.commands import Books
from streams.demo import config, events, leash, ports
from streams.demo.broker import KafkaUnavailable, LocalKafka
from streams.demo.view import View
from streams.ledger import bookkeeping, shown
from streams.producer import Outgoing, Producer
from streams.settings import Settings, load

FOLDER = Path(".distributary-demo")
#: Everything an event can still go through after the last one is produced, and a margin.
SETTLE_S = 75.0
#: The destination is down this long, once: what arrives meanwhile is refused.
OUTAGE_S = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    events: int
    seconds: int
    workers: int
    keep: bool
    as_json: bool


def demo(options: Options) -> int:
    """Run it; the exit status is 0 only if it came to its end and every event is accounted for."""
    console = Console(stderr=options.as_json)
    FOLDER.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stage:
        servers = _kafka(stage, options.keep)
        return Demo(options, console, stage, servers).run()


def _kafka(stage: contextlib.ExitStack, keep: bool) -> str:
    """The brokers named in the environment, or a local one."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return servers
    kafka = LocalKafka(FOLDER / "kafka", detached=keep)
    try:
        kafka.start()
    except KafkaUnavailable as missing:
        raise commands.Unusable(str(missing)) from None
    if not keep:
        stage.callback(kafka.stop)
    return kafka.bootstrap_servers


class Demo:
    """One run."""

    def __init__(self, options: Options, console: Console, stage: contextlib.ExitStack, servers: str) -> None:
        self.options = options
        self.console = console
        self.stage = stage
        self.servers = servers
        self.produced = 0
        self.events = list(events.events(options.events, seed=7))
        self.prefix = f"demo-{secrets.token_hex(3)}."
        self.processes: dict[str, Popen[bytes]] = {}

    def run(self) -> int:
        os.environ["DEMO_WEBHOOK_SECRET"] = config.SECRET
        port, tls_port = ports.free(), ports.free()
        urls = f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"
        self.path = config.write(FOLDER, self.prefix, self.servers, *urls)
        settings = load(self.path)
        commands.topics_of(settings, create=True)
        self._start_destination(port, tls_port)
        for number in range(self.options.workers):
            self._start(f"worker-{number + 1}", "streams.cli", "worker", "--config", str(self.path))
        books = asyncio.run(self._play(settings, urls[0]))
        return self._close(settings, books)

    # -- processes -----------------------------------------------------------------------------

    def _start(self, name: str, *module: str) -> None:
        """A Python process of ours; its output goes to a file in the demo's folder."""
        process = leash.start(
            [sys.executable, "-m", *module], FOLDER / f"{name}.log", leashed=not self.options.keep
        )
        self.processes[name] = process
        if not self.options.keep:
            self.stage.callback(_stop, process)
        print(f"{name}: started (pid {process.pid}, log {FOLDER}/{name}.log)", file=sys.stderr)  # noqa: T201

    def _start_destination(self, port: int, tls_port: int) -> None:
        due = [event for event in self.events if event["type"] in config.TYPES[config.EXPIRES]]
        self._start(
            "destination", "streams.demo.destination", "--port", str(port), "--tls-port", str(tls_port),
            "--slow", "10s", "--expire-key-after", f"{config.EXPIRES}={int(len(due) * config.KEY_LIVES)}",
        )  # fmt: skip

    # -- the run -------------------------------------------------------------------------------

    async def _play(self, settings: Settings, url: str) -> Books:
        producing = asyncio.create_task(self._produce(settings))
        outage = asyncio.create_task(self._outage(url))
        tiers = [tier.name for tier in settings.retry.policy.tiers]
        with View(self.console, self.options.events, tiers, quiet=self.options.as_json) as view:
            books = await self._watch(settings, view, producing)
        await producing
        await outage
        return books

    async def _produce(self, settings: Settings) -> None:
        """Write the events at a steady rate, every other one as Avro."""
        producer = Producer(settings.kafka.confluent("demo-producer"))
        sends: list[asyncio.Future[None]] = []
        began, pace = time.monotonic(), self.options.seconds / self.options.events
        for number, event in enumerate(self.events):
            encode = codec.encode_avro if number % 2 else codec.encode_json
            await asyncio.sleep(max(0.0, began + number * pace - time.monotonic()))
            sends.append(
                asyncio.ensure_future(producer.send([Outgoing(settings.inbound.topic, encode(event))]))
            )
            self.produced += 1
        await asyncio.gather(*sends)
        await producer.close()

    async def _outage(self, url: str) -> None:
        """The destination server goes down for a moment, in the middle of it all."""
        await asyncio.sleep(self.options.seconds / 3)
        async with httpx.AsyncClient(trust_env=False) as client:
            with contextlib.suppress(httpx.TransportError):  # it hangs up on us, too
                await client.post(f"{url}/outage/{OUTAGE_S}")

    async def _watch(self, settings: Settings, view: View, producing: "asyncio.Task[None]") -> Books:
        """Read the sums from the topics again and again, until every event has come to its end."""
        deadline = time.monotonic() + self.options.seconds + SETTLE_S
        with commands.keeper(settings) as keeper:
            while True:
                books = await asyncio.to_thread(bookkeeping.books, keeper)
                view.update(self.produced, books.destinations)
                if producing.done() and (self._over(books) or time.monotonic() > deadline):
                    return books
                self._check_processes()
                await asyncio.sleep(0.5)

    def _over(self, books: Books) -> bool:
        """Every event produced was routed, and none is on its way any more."""
        lines = books.destinations.values()
        return all(line.accepted == self.options.events for line in lines) and not any(
            line.queued or line.waiting.total() for line in lines
        )

    def _check_processes(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise commands.Unusable(f"{name} ended unexpectedly: see {FOLDER}/{name}.log")

    # -- the end -------------------------------------------------------------------------------

    def _close(self, settings: Settings, books: Books) -> int:
        finished = self._over(books) and books.balanced
        if self.options.as_json:
            show.as_json(books.as_json())
        else:
            shown.status(books)
            self.console.print(_verdict(self.options.events, books, finished))
        if self.options.keep:
            self.console.print(self._kept(), soft_wrap=True, markup=False)  # to be copied
        return 0 if finished else 1

    def _kept(self) -> str:
        pids = " ".join(str(process.pid) for process in self.processes.values())
        kafka = FOLDER / "kafka" / "kafka.pid"
        stop = f"kill {pids}" + (f" $(cat {kafka})" if kafka.exists() else "")
        return (
            "\nEverything is still running. To look at it:\n"
            f"  export DISTRIBUTARY_CONFIG={self.path}\n"
            f"  export DEMO_WEBHOOK_SECRET={config.SECRET}\n"
            f"  {sys.argv[0]} status\n  {sys.argv[0]} dlq list\n"
            f"  {sys.argv[0]} dlq redrive --reason credentials\n"
            f"To stop it:\n  {stop}"
        )


def _verdict(count: int, books: Books, finished: bool) -> str:
    if not books.balanced:
        return "[red]some events are unaccounted for: this should never happen"
    if not finished:
        return "[red]the demo ran out of time: some events are still on their way"
    pairs = sum(line.accepted for line in books.destinations.values())
    return (
        f"{count} events, {pairs} decisions: each is delivered, filtered or dead for a reason. Unaccounted: 0"
    )


def _stop(process: "Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(Exception):
        process.wait(20)
    leash.let_go(process)
