"""Writes packed batches: all that waits for one broker in one request, whatever the number of topics.

librdkafka makes a request of each partition's records, and a call of each record. Here a record that five
topics get costs little more than one that one topic gets, and an event to twenty destinations is one request.

As an idempotent producer's, each batch has a sequence number in its partition, of which one is under way at a
time; what comes meanwhile goes with the next (`streams.lines`). One that was not answered is sent again as it
was, so that a broker that has it says so. Only what a broker has confirmed (acks=all) counts as written.
What is refused, or not confirmed within PATIENCE_S, is given back, to be written by `streams.producer`, which
knows what to do then.
"""

import asyncio
import logging
from collections.abc import Sequence

from streams import clock
from streams.dispatch import Tasks
from streams.lines import Copy, Errand, Line, Together
from streams.packing import Packed
from streams.produce import (
    DUPLICATE,
    NONE,
    NOT_NOW,
    NOT_THIS_ONE,
    UNANSWERED,
    Asked,
    Refusal,
    Unanswered,
    answers,
    request,
)

log = logging.getLogger(__name__)

#: Batches of one request have at most so many bytes together, but for the first.
MOST_OF_A_REQUEST = 4 * 1024 * 1024
#: How long a batch is tried, and how long it rests in between at first and at most.
PATIENCE_S, BACKOFF_S, LONGEST_BACKOFF_S = 20.0, 0.1, 1.0
#: How often it is tried to connect; and asked for a topic that nobody knows, at first and at last.
AGAIN_S, LONGEST_AGAIN_S = 1.0, 30.0
#: After a refusal that is not about one topic, all is given back at once for so long.
CLOSED_S = 30.0


class Express:
    """Made and used on the event loop."""

    def __init__(self, brokers: Asked) -> None:
        self._brokers = brokers
        self._lines: dict[tuple[str, int], Line] = {}
        self._ready: dict[Line, None] = {}  #: whose first batch is to be sent
        self._busy: set[int] = set()  #: nodes that have a request
        self._identity: tuple[int, int] | None = None
        self._tasks = Tasks()
        self._open = False
        self._closed_until = 0.0  #: steady seconds
        self._learn_at, self._learn_s = 0.0, AGAIN_S  #: when a topic that nobody knows is asked for
        self._look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Connect, and go on trying: until then, all is given back."""
        self._tasks.spawn(self._connect())

    async def _connect(self) -> None:
        while not self._open:
            try:
                await self._brokers.open()
                self._open = True
            except Unanswered as error:
                log.info("express.waiting error=%s", error)
            except Exception:
                log.exception("express.error")
            if not self._open:
                await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Write nothing more."""
        self._open = False
        if self._look is not None:
            self._look.cancel()
        await self._tasks.cancel()
        await self._brokers.close()

    def partitions(self, topic: str) -> int:
        """How many a topic has; 0 while nothing can be written to it."""
        if not self._open or (now := clock.steady()) < self._closed_until:
            return 0
        count = self._brokers.partitions(topic)
        if not count and now > self._learn_at:  # a topic that was made a moment ago, or is not there
            self._learn_at, self._learn_s = now + self._learn_s, min(2 * self._learn_s, LONGEST_AGAIN_S)
            self._brokers.learn()
        return count

    async def send(self, copies: Sequence[tuple[str, int, Packed]]) -> list[Copy]:
        """Return when each batch is written to its topic and partition, or given back: these."""
        errand = Errand(len(copies), asyncio.get_running_loop().create_future())
        if not copies:
            return []
        for topic, partition, packed in copies:
            line = self._lines.get((topic, partition))
            if line is None:
                line = self._lines[topic, partition] = Line(topic, partition)
            if not line.waits:
                self._ready[line] = None
            line.copies.append(Copy(topic, partition, packed, errand))
        self._dispatch()
        await errand.future
        return errand.returned

    def _dispatch(self) -> None:
        """Send what is ready to every broker that has no request of ours."""
        if not self._open:
            return
        loads: dict[int, list[Line]] = {}
        sizes: dict[int, int] = {}
        homeless: list[Line] = []
        for line in list(self._ready):
            node = self._brokers.leader(line.topic, line.partition)
            if node is None:
                homeless.append(line)
                continue
            if node in self._busy:
                continue
            size = sizes.get(node, 0) + line.size
            if size > MOST_OF_A_REQUEST and node in loads:
                continue
            sizes[node] = size
            loads.setdefault(node, []).append(line)
            del self._ready[line]
        for node, lines in loads.items():
            self._busy.add(node)
            self._tasks.spawn(self._carry(node, lines))
        if homeless:
            self._wait_for_leaders(homeless)

    def _wait_for_leaders(self, lines: Sequence[Line]) -> None:
        """Nobody leads these partitions."""
        self._brokers.learn()
        for line in lines:
            while line.waits and self._late(line):
                self._give_back(line, "no leader")
            if not line.waits:
                del self._ready[line]
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(BACKOFF_S, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._dispatch()

    async def _carry(self, node: int, lines: Sequence[Line]) -> None:
        """One request, and what becomes of it."""
        codes: dict[tuple[str, int], int] = {}
        rest_s, refused = 0.0, ""
        try:
            if self._identity is None:
                self._identity = await self._brokers.identity()
            identity = self._identity
            together: Together = {}
            body = request([(line.topic, line.partition, line.data(identity, together)) for line in lines])
            codes, rest_s = answers(await self._brokers.produce(node, body))
        except Unanswered as silence:
            log.info("express.unanswered node=%d error=%s", node, silence)
        except Refusal as refusal:
            refused = str(refusal) or "refused"
        except Exception:
            log.exception("express.error")
            refused = "a mistake of ours"
        finally:
            self._busy.discard(node)
        if refused:
            self._refused(refused, lines)
            return
        for line in lines:
            self._answered(line, codes.get((line.topic, line.partition), UNANSWERED))
        if rest_s:  # a quota
            self._busy.add(node)
            asyncio.get_running_loop().call_later(rest_s, self._rested, node)
        self._dispatch()

    def _rested(self, node: int) -> None:
        self._busy.discard(node)
        self._dispatch()

    def _answered(self, line: Line, code: int) -> None:
        """What was sent of this line is written, is to be sent again, or is given back."""
        load = line.load
        if code == NONE or (code == DUPLICATE and load is not None and load.doubtful):
            line.written()
        elif code in NOT_NOW and not self._late(line):
            if load is not None:
                load.doubtful = True
            line.rest_s = min(2 * line.rest_s or BACKOFF_S, LONGEST_BACKOFF_S)
            self._brokers.learn()
            asyncio.get_running_loop().call_later(line.rest_s, self._again, line)
            return
        else:
            if load is not None:
                load.doubtful |= code not in NOT_THIS_ONE
            self._give_back(line, str(code))
        if line.waits:
            self._ready[line] = None

    def _again(self, line: Line) -> None:
        if line.waits:
            self._ready[line] = None
            self._dispatch()

    def _late(self, line: Line) -> bool:
        return clock.steady() > line.first.since + PATIENCE_S

    def _give_back(self, line: Line, why: str) -> None:
        """What was sent of this line, or waits longest."""
        if line.load is not None and line.load.doubtful:
            self._identity = None  # its number may be taken: the next batch would pass for this one
        copies = line.give_back()
        records = sum([len(copy.packed.contents) for copy in copies])
        log.info("express.given_back topic=%s partition=%d records=%d error=%s",
                 line.topic, line.partition, records, why)  # fmt: skip

    def _refused(self, why: str, lines: Sequence[Line]) -> None:
        """It is not about one topic: nothing goes this way for a while."""
        log.warning("express.refused error=%s: for %d s, each record by itself", why, CLOSED_S)
        self._closed_until, self._identity = clock.steady() + CLOSED_S, None
        for line in lines:
            while line.waits:
                self._give_back(line, why)
        self._dispatch()
