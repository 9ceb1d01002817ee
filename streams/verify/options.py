"""What the command line of `distributary verify` says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.verify.processes import COMMAND


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    config: Path | None = None
    faults: str | None = None
    seed: int | None = None
    events: int = 300
    #: The most events per second: with more of `events`, a scenario's load lasts longer.
    rate: float = 200.0
    kills: int = 5
    #: Rounds are played, each with another seed, until this is over; 0: one round.
    duration_s: float = 0.0
    as_json: bool = False
    html: Path | None = None  #: where a page goes
    keep: Path | None = None  #: a folder for configs, logs and what the destination was sent
    command: Sequence[str] = COMMAND  #: how `distributary` is run; tests break it on purpose
