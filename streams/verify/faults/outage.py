"""Destinations that are away for a time: refusing, failing, or behind a certificate that went bad.

What becomes of an event then depends on when it is tried. So time is cut into phases: what is written in
one has come to its end before the next begins, and its fate is known beforehand after all.
"""

import importlib.util
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams import codec
from streams.verify import cast, topics
from streams.verify.cast import STEADY, Planned, Port, Role
from streams.verify.destination import GOOD, Arrival
from streams.verify.faults.base import Scenario
from streams.verify.script import DELIVERED
from streams.verify.stage import Stage

#: What only a scenario itself writes: nothing of the load is of this type.
OWN = ("group",)
COUNT = 25
#: How often the end of an outage is tried on a machine that is too slow for it.
TURNS = 5
EXHAUSTED, REJECTED = "dead exhausted", "dead rejected"


@dataclass(frozen=True)
class Phased(Scenario):
    """Writes events of its own beside the load, which only the destinations of OWN get."""

    def write(self, stage: Stage, phase: str, fate: str) -> list[Planned]:
        """Write the events of a phase, all of which should end so."""
        written = []
        for number in range(COUNT):
            event = {"type": OWN[0], "userId": "u1", "traits": {}}
            made = cast.planned(f"{phase}-{number}", event, {}, self.roles, stage.rules())
            fates = {name: fate if was == DELIVERED else was for name, was in made.fates.items()}
            written.append(Planned(made.id, made.event, fates))
            stage.write(codec.encode_json(dict(made.event)), written[-1])
        return written

    def wait_ended(self, stage: Stage, written: Sequence[Planned]) -> None:
        """Return when each has come to an end, whichever that is: the judge will see."""
        ids = {one.id for one in written}
        ends = sum(fate != "filtered types" for one in written for fate in one.fates.values())

        def ended() -> bool:
            time.sleep(0.3)
            found = topics.read(stage.settings).attempts
            return ends <= sum(one.event_id in ids and one.outcome in ("delivered", "dead") for one in found)

        stage.wait(f"{written[0].id} and those after it have ended", ended)


@dataclass(frozen=True)
class Outage(Phased):
    """Longer than the plan of retries: what came early in it is dead, what came late in it is not."""

    def inject(self, stage: Stage) -> None:
        self.wait_ended(stage, self.write(stage, "before", DELIVERED))
        began = time.monotonic()
        stage.there.tell(port=Port.CLOSING, open=False, answers={"failing": 503})
        self.wait_ended(stage, self.write(stage, "in-it", EXHAUSTED))
        self._end(stage)
        stage.figures["outage, s"] = round(time.monotonic() - began, 1)
        self.wait_ended(stage, self.write(stage, "after", DELIVERED))

    def _end(self, stage: Stage) -> None:
        """Be there again while what was written last waits for another attempt.

        Where the machine is too slow for that, what was written ends as all before it, and others follow.
        """
        for turn in range(1, TURNS + 1):
            wrote = time.monotonic()
            last_attempt = wrote + sum(step.seconds for step in stage.rules().policy.plan) - 0.2
            late = self.write(stage, f"late-{turn}", EXHAUSTED)
            if self._failed(stage, late, last_attempt):
                stage.there.tell(port=Port.CLOSING, open=True, answers={"failing": None})
                stage.expect_instead(late, EXHAUSTED, DELIVERED)
                return self.wait_ended(stage, late)
            self.wait_ended(stage, late)
        raise RuntimeError(
            f"this machine was too slow, {TURNS} times: {COUNT} events were dead before they failed"
        )

    def _failed(self, stage: Stage, written: Sequence[Planned], until: float) -> bool:
        """Whether one of them has failed at each destination by then (monotonic)."""
        ids = {one.id for one in written}
        while time.monotonic() < until:
            failed = {one.destination for one in topics.read(stage.settings).attempts if one.event_id in ids}
            if failed >= {"refusing", "failing"}:
                return True
            time.sleep(0.05)
        return False

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        found = topics.read(stage.settings).attempts
        for name, codes in (("refusing", {"ECONNREFUSED"}), ("failing", {"503"})):
            failed = [one for one in found if one.destination == name and one.outcome != "delivered"]
            early = [one.code for one in failed if one.event_id.startswith("in-it")]
            if set(early) != codes:
                yield f"{name}: attempts in the outage ended with {sorted(set(map(str, early)))}"
            if not any(one.event_id.startswith("late") for one in failed):
                yield f"{name}: nothing was tried again from the outage into the time after it"


@dataclass(frozen=True)
class BadCertificate(Phased):
    """It goes bad in every way, and is made good again; what comes meanwhile is rejected, with the reason."""

    def left_out(self, *, local: bool) -> str:
        missing = importlib.util.find_spec("cryptography") is None
        return "it makes certificates, which takes the package cryptography" if missing else ""

    def inject(self, stage: Stage) -> None:
        from streams.verify.certificates import BAD

        self.wait_ended(stage, self.write(stage, GOOD, DELIVERED))
        for certificate in BAD:
            stage.there.tell(port=Port.TLS, certificate=certificate)
            self.wait_ended(stage, self.write(stage, certificate, REJECTED))
        stage.there.tell(port=Port.TLS, certificate=GOOD)
        self.wait_ended(stage, self.write(stage, "renewed", DELIVERED))

    def check(self, stage: Stage, arrivals: Sequence[Arrival]) -> Iterator[str]:
        from streams.verify.certificates import BAD

        found = [one for one in topics.read(stage.settings).attempts if one.destination == "secure"]
        for certificate, name in BAD.items():
            called = {str(one.code) for one in found if one.event_id.startswith(f"{certificate}-")}
            if called != {name}:
                yield f"certificate {certificate}: called {', '.join(sorted(called))}, not {name}"
            if any(one.event.startswith(f"{certificate}-") and one.to == "secure" for one in arrivals):
                yield f"something was sent behind a certificate that is {certificate}"


SCENARIOS: tuple[Scenario, ...] = (
    Outage(
        "outage",
        "one destination refuses connections, one answers 503, for longer than the plan; then both are back",
        roles=(STEADY, Role("refusing", types=OWN, port=Port.CLOSING), Role("failing", types=OWN)),
        seconds=12.0,
        longest_stall_s=2.0,
        once=True,
    ),
    BadCertificate(
        "bad-certificate",
        "a certificate that expires, is not valid yet, of another name, self-signed; then good again",
        roles=(STEADY, Role("secure", types=OWN, port=Port.TLS)),
        seconds=10.0,
        longest_stall_s=2.0,
        once=True,
    ),
)
