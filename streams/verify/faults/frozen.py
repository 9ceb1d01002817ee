"""Workers that stand still longer than their session, and go on as if nothing had happened."""

from dataclasses import dataclass

from streams.verify.faults.base import Alone
from streams.verify.stage import Stage


@dataclass(frozen=True)
class Frozen(Alone):
    """SIGSTOP; its partitions move; SIGCONT: the zombie must take nothing back from its successor."""

    def inject(self, stage: Stage) -> None:
        [zombie] = stage.workers
        stage.wait_written(0.2)
        zombie.freeze()
        committed, _ = stage.extent()
        before = len(stage.arrivals())
        stage.start_worker()
        stage.wait("another goes on", lambda: len(stage.arrivals()) > before + 50)
        stage.wait_written(0.7)
        zombie.thaw()
        # Until it learns that it was expelled it fetches what was written meanwhile: Kafka lets it.
        stage.struck(f"{zombie.name} frozen", committed=committed, holds=True)
        stage.wait_members(2)


SCENARIOS: tuple[Alone, ...] = (
    Frozen("frozen", "SIGSTOP past the session timeout, partitions move, SIGCONT", seconds=20.0),
)
