"""`distributary verify`: plays the chosen scenarios one after the other, once or in rounds."""

import itertools
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams import commands
from streams.verify import circumstances, faults, kafkas, page, report, result
from streams.verify.faults.base import Scenario
from streams.verify.kafkas import Kafkas
from streams.verify.options import Options
from streams.verify.play import play
from streams.verify.report import Live
from streams.verify.result import Played


def verify(options: Options) -> int:
    """Run it; the exit status is 0 only if every scenario passed."""
    try:
        chosen = faults.chosen(options.faults)
    except LookupError as unknown:
        raise commands.Unusable(str(unknown.args[0])) from None
    seed = secrets.randbits(32) if options.seed is None else options.seed
    if options.html:
        page.expect_writable(options.html)
    played = play_all(options, chosen, seed, Live(quiet=options.as_json))
    report.show(played, as_json=options.as_json)
    if options.html:
        page.write(options.html, played)
    return 0 if played.passed else 1


def play_all(options: Options, chosen: Sequence[Scenario], seed: int, live: Live) -> Played:
    """Every scenario that can be played here, and again with other seeds until the time is over.

    The first round is played in full; a later one is cut when the time is over, between two scenarios.
    """
    played, began = Played(seed), time.monotonic()
    with _interruptible(), _folder(options.keep) as folder, kafkas.found(options.config, folder) as found:
        rounds = _Rounds(options, folder, found, live, played)
        played.circumstances = circumstances.found(sys.argv[1:], local=found.local)
        here = [scenario for scenario in chosen if rounds.plays(scenario)]
        for number in itertools.count() if here else ():
            for scenario in here:
                if number and time.monotonic() - began >= options.duration_s:
                    break
                rounds.play(scenario, number)
            if time.monotonic() - began >= options.duration_s:
                break
    played.took_s = round(time.monotonic() - began, 1)
    return played


def seed_of(seed: int, number: int) -> int:
    """The seed of a round: the first one has that of the run, so that each can be repeated by itself."""
    return random.Random(f"{seed}/{number}").getrandbits(32) if number else seed  # noqa: S311


@dataclass
class _Rounds:
    """Scenarios being played, and what came of them so far."""

    options: Options
    folder: Path
    kafkas: Kafkas
    live: Live
    played: Played

    def plays(self, scenario: Scenario) -> bool:
        """Whether it can be played on this cluster; what can't be is left out, and said to be."""
        if why := scenario.left_out(local=self.kafkas.local):
            self.played.left_out[scenario.name] = why
            self.live.left_out(scenario, why)
        return not why

    def play(self, scenario: Scenario, number: int) -> None:
        """Play it once; what comes of it is added to the rounds before."""
        seed = seed_of(self.played.seed, number)
        self.live.begins(scenario, number, seed)
        folder = self.folder / (f"{scenario.name}-{number + 1}" if number else scenario.name)
        one = play(self.options, scenario, seed, self.kafkas.of(scenario.brokers), folder)
        self.live.ended(one)
        result.add_to(self.played.results, one)
        if self.options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


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
