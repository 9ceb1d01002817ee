"""One scenario of `distributary verify`, from the making of its topics to their end."""

import random
import secrets
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import commands, settings
from streams.verify import cast, cluster, judge
from streams.verify.cluster import Cluster
from streams.verify.faults.base import Scenario
from streams.verify.load import Load
from streams.verify.options import Options
from streams.verify.processes import Destination
from streams.verify.result import Result
from streams.verify.script import Rules
from streams.verify.stage import Stage


def play(options: Options, scenario: Scenario, seed: int, kafka: Cluster, folder: Path) -> Result:
    """One scenario from its topics' making to their end; whatever goes wrong is a failure of it."""
    result, began = Result(scenario.name, scenario.text, seed), time.monotonic()
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
            there = Destination(self.folder, self.scenario.roles)
            stack.callback(there.kill)
            config = self.kafka.write(self.folder, prefix, self.scenario.roles, there)
            loaded = settings.load(config)
            admin = stack.enter_context(cluster.topics_of(loaded))
            stage = self._stage(loaded, config, admin, there)
            stack.callback(stage.kill_workers)
            self._act(stage)
        if left := cluster.left_behind(loaded):
            self.result.failures.append(f"left behind: {', '.join(left)}")

    def _stage(self, loaded: settings.Settings, config: Path, admin: Any, there: Destination) -> Stage:
        options, scenario = self.options, self.scenario
        key = f"{self.seed}/{scenario.name}"
        rules = Rules(loaded.retry.policy, cluster.TIMEOUT_S)
        count = scenario.counts(options.events)
        planned = cast.events(scenario.roles, rules, count, key)
        load = Load(loaded, planned, count, max(scenario.lasts(options.kills), count / options.rate))
        return Stage(
            loaded, config, self.folder, options.command, admin, there, load,
            random.Random(key), options.kills, self.kafka,  # noqa: S311
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
        self.result.notes, self.result.figures = stage.notes, stage.figures
        books = commands.status(stage.settings)
        judge.judge(self.result, self.scenario, stage, books, stage.arrivals())
