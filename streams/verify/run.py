"""`distributary verify`: plays the chosen scenarios one after the other, each with topics of its own."""

import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import commands, settings
from streams.verify import cast, cluster, faults, judge, report
from streams.verify.cluster import Cluster
from streams.verify.faults.base import Scenario
from streams.verify.judge import Result
from streams.verify.load import Load
from streams.verify.processes import COMMAND, Destination
from streams.verify.script import Rules
from streams.verify.stage import Stage


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    config: Path | None = None
    faults: str | None = None
    seed: int | None = None
    events: int = 300
    kills: int = 5
    as_json: bool = False
    keep: Path | None = None  #: a folder for configs, logs and what the destination was sent
    command: Sequence[str] = COMMAND  #: how `distributary` is run; tests break it on purpose


def verify(options: Options) -> int:
    """Run it; the exit status is 0 only if every scenario passed."""
    try:
        chosen = faults.chosen(options.faults)
    except LookupError as unknown:
        raise commands.Unusable(str(unknown.args[0])) from None
    seed = secrets.randbits(32) if options.seed is None else options.seed
    results = play_all(options, chosen, seed, report.Live(quiet=options.as_json))
    report.show(results, seed, as_json=options.as_json)
    return 0 if results and all(result.passed for result in results) else 1


def play_all(options: Options, chosen: Sequence[Scenario], seed: int, live: "report.Live") -> list[Result]:
    """The results, in order; those that can't be played on this cluster are left out, and said to be."""
    results = []
    with _interruptible(), _folder(options.keep) as folder, cluster.found(options.config, folder) as kafka:
        for scenario in chosen:
            if scenario.only_local and kafka.local is None:
                live.left_out(scenario, "it stops the broker, which only a local Kafka is for")
                continue
            live.begins(scenario)
            results.append(play(options, scenario, seed, kafka, folder / scenario.name))
            live.ended(results[-1])
    return results


def play(options: Options, scenario: Scenario, seed: int, kafka: Cluster, folder: Path) -> Result:
    """One scenario from its topics' making to their end; whatever goes wrong is a failure of it."""
    result, began = Result(scenario.name, scenario.text), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier run, if folders are kept
    folder.mkdir(parents=True)
    try:
        kafka.revive()
        _Play(options, scenario, seed, kafka, folder, result).run()
    except Exception as error:
        result.failures.append(f"{type(error).__name__}: {error}")
    result.took_s = round(time.monotonic() - began, 1)
    return result


@dataclass
class _Play:
    """One scenario under way."""

    options: Options
    scenario: Scenario
    seed: int
    kafka: Cluster
    folder: Path
    result: Result

    def run(self) -> None:
        prefix = f"verify-{secrets.token_hex(4)}."
        with ExitStack() as stack:
            there = Destination(self.folder)
            stack.callback(there.kill)
            config = self.kafka.write(self.folder, prefix, self.scenario.roles, there.url)
            loaded = settings.load(config)
            admin = stack.enter_context(cluster.topics_of(loaded))
            stage = self._stage(loaded, config, admin, there)
            stack.callback(stage.kill_workers)
            self._act(stage)
        if left := cluster.left_behind(admin, loaded):
            self.result.failures.append(f"left behind: {', '.join(left)}")

    def _stage(self, loaded: settings.Settings, config: Path, admin: Any, there: Destination) -> Stage:
        options, scenario = self.options, self.scenario
        key = f"{self.seed}/{scenario.name}"
        rules = Rules(loaded.retry.policy, cluster.TIMEOUT_S)
        planned = list(cast.events(scenario.roles, rules, options.events, key))
        load = Load(loaded, planned, scenario.lasts(options.kills))
        return Stage(
            loaded, config, self.folder, options.command, admin, there, load,
            random.Random(key), options.kills, self.kafka.local,  # noqa: S311
        )  # fmt: skip

    def _act(self, stage: Stage) -> None:
        self.scenario.prepare(stage)
        stage.load.start()
        try:
            self.scenario.inject(stage)
            stage.load.finish()
        finally:
            stage.load.stop()
        quiet = time.monotonic()
        stage.wait_settled(self.scenario.drain_s)
        self.result.drain_s = round(time.monotonic() - quiet, 1)
        self._judge(stage)

    def _judge(self, stage: Stage) -> None:
        stage.stop_workers()
        stage.there.terminate()
        self.result.notes = stage.notes
        books = commands.status(stage.settings)
        judge.judge(self.result, self.scenario, stage, books, stage.arrivals())


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where configs and logs go: the folder to keep, or one that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        shutil.rmtree(keep / "kafka" / "data", ignore_errors=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="distributary-verify-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: with everything taken down."""
    previous: Callable[..., Any] | int | None = None
    try:
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit("verify: terminated"))
    except ValueError:  # not on the main thread: whoever runs it there ends it in their own way
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
