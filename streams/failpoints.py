"""Named places at which a worker can be made to die on purpose, for `distributary verify`.

    DISTRIBUTARY_FAILPOINTS="after-answer:17=kill,before-send:3=freeze"

The 17th time that the worker gets to `after-answer` it kills itself with SIGKILL: nothing is flushed, no
`finally` runs. Not armed, as in every normal run, a point costs one look at a constant::

    if failpoints.ARMED: failpoints.hit("after-answer")
"""

import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

VARIABLE = "DISTRIBUTARY_FAILPOINTS"

#: name -> what is true at that moment
POINTS: Mapping[str, str] = {
    "after-fetch": "a batch was fetched, and nobody has it yet",
    "after-route-produce": "the records of a routed batch are on their topics; neither noted nor committed",
    "before-send": "a request is ready, and not sent",
    "after-answer": "the destination has answered, and nothing is written",
    "after-settle": "the outcome is written, and the record neither done nor committed",
    "while-releasing": "delayed records are back on their topics, and neither done nor committed",
    "mid-rebalance": "partitions are being given back, with records in flight",
    "mid-replay": "a part of a replay is routed, and the rest is not",
}
#: What may happen there: the process is gone, or stands still until somebody sends it SIGCONT.
ACTIONS: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


@dataclass
class Armed:
    """What is to happen, and how often each point was hit."""

    actions: Mapping[tuple[str, int], signal.Signals]
    hits: Counter[str] = field(default_factory=Counter)

    def hit(self, point: str) -> signal.Signals | None:
        """Count it; what is to happen now."""
        self.hits[point] += 1
        return self.actions.get((point, self.hits[point]))


def parse(text: str) -> dict[tuple[str, int], signal.Signals]:
    """`after-answer:17=kill,before-send:3=freeze`. ValueError names what is wrong with it."""
    found = {}
    for entry in filter(None, text.split(",")):
        place, _, action = entry.partition("=")
        point, _, count = place.partition(":")
        if point not in POINTS or action not in ACTIONS or not count.isdecimal() or int(count) < 1:
            raise ValueError(
                f"{VARIABLE}: {entry!r} is not POINT:COUNT=ACTION; "
                f"points: {', '.join(POINTS)}; actions: {', '.join(ACTIONS)}"
            )
        found[point, int(count)] = ACTIONS[action]
    return found


def hit(point: str) -> None:
    """This place is reached. Only called when armed."""
    if (action := _armed.hit(point)) is not None:
        os.kill(os.getpid(), action)


_armed = Armed(parse(os.environ.get(VARIABLE, "")))
#: Looked at before `hit` is called: whether there is anything to do at any point.
ARMED = bool(_armed.actions)
