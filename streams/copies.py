"""What several destinations get alike: each event's record, written to the topic of each.

By `streams.express` as long as it can, which packs a record once for all of them. What it gives back, and all
while it can't, is written record by record.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set

from streams import clock, headers
from streams.destinations import Audience
from streams.express import Express
from streams.letters import Letters
from streams.packing import LARGEST, Content, Packed, by_partition, pack
from streams.producer import Outgoing

log = logging.getLogger(__name__)

#: A destination and the rule that kept events back (None: it gets them), or "" and why they are no events.
Lane = tuple[str, str | None]


class Alike:
    """Events for which the same was decided. There are many such, and few ways to decide."""

    __slots__ = ("contents", "lanes", "offsets", "topics")

    def __init__(self, lanes: list[Lane], topics: list[str]) -> None:
        self.lanes = lanes
        self.topics = topics  #: that they go to
        self.contents: list[Content] = []
        self.offsets: list[int] = []


#: Topics that get the same records, and these.
Share = tuple[list[str], Sequence[Content]]


class Copies:
    """Writes events to the topics of their destinations."""

    def __init__(self, audience: Audience, letters: Letters, express: Express | None) -> None:
        self._letters, self._express = letters, express
        self._addressed = {to.topic: headers.addressed(to.name) for to in audience.destinations}

    async def send(self, shares: Sequence[Share]) -> None:
        """Return when all is durable on its topics."""
        left: list[Outgoing] = []
        packed: list[tuple[str, int, Packed]] = []
        for topics, contents in shares:
            packed += self._packed(topics, contents, left)
        if packed and self._express is not None:
            for copy in await self._express.send(packed):
                left += [self._record(copy.topic, content) for content in copy.packed.contents]
        await self._letters.send(left)

    def _packed(
        self, topics: Sequence[str], contents: Sequence[Content], left: list[Outgoing]
    ) -> Iterator[tuple[str, int, Packed]]:
        """Batches for the express; what can't go by it is added to `left`."""
        small = [one for one in contents if len(one.value or b"") + len(one.key or b"") <= LARGEST]
        if len(small) < len(contents):
            large = [one for one in contents if len(one.value or b"") + len(one.key or b"") > LARGEST]
            left += [self._record(topic, content) for topic in topics for content in large]
            contents = small
        by_count: defaultdict[int, list[str]] = defaultdict(list)
        for topic in topics:
            by_count[self._express.partitions(topic) if self._express else 0].append(topic)
        left += [self._record(topic, content) for topic in by_count.pop(0, ()) for content in contents]
        now_ms = int(clock.now() * 1000)
        for count, some in by_count.items():
            for partition, its in by_partition(contents, count).items():
                try:
                    batches = pack(its, now_ms)
                except Exception:  # nobody knows why; librdkafka may take it
                    log.exception("express.error")
                    left += [self._record(topic, content) for topic in some for content in its]
                    continue
                for packed in batches:
                    for topic in some:
                        yield topic, partition, packed

    def _record(self, topic: str, content: Content) -> Outgoing:
        value, key, known = content
        return Outgoing(topic, value, key, [*known, self._addressed[topic]])


def shares(alike: Sequence[Alike]) -> list[Share]:
    """What each topic gets, in order; topics that get the same together."""
    groups: defaultdict[str, list[Alike]] = defaultdict(list)
    for some in alike:
        for topic in some.topics:
            groups[topic].append(some)
    found: dict[tuple[int, ...], Share] = {}
    for topic, its in groups.items():
        same = tuple([id(some) for some in its])
        share = found.get(same)
        if share is None:
            share = found[same] = [], _in_order(its)
        share[0].append(topic)
    return list(found.values())


def apart(found: Sequence[Share], late: Set[str]) -> tuple[list[Share], list[Share]]:
    """What is for other topics than these, and what is for these."""
    others, its = [], []
    for topics, contents in found:
        if some := [topic for topic in topics if topic not in late]:
            others.append((some, contents))
        if some := [topic for topic in topics if topic in late]:
            its.append((some, contents))
    return others, its


def _in_order(groups: Sequence[Alike]) -> Sequence[Content]:
    if len(groups) == 1:
        return groups[0].contents
    numbered = [
        (offset, content)
        for some in groups
        for offset, content in zip(some.offsets, some.contents, strict=True)
    ]
    numbered.sort(key=lambda one: one[0])
    return [content for _, content in numbered]
