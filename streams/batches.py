"""Batches as Faust passes them on: one message from the consumer to an agent, and nothing to decode.

Small batches for one agent that come together are one message. Faust's stream takes one a turn of the event
loop: the last of twenty partitions waited for twenty turns, and for what everybody else does in them. Large
ones are a message each, as what begins in one turn is under way at once, and needs connections.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from faust import Schema
from faust.types import TP
from faust.types.tuples import Message

from streams.flight import Batch, Partition, Record

#: Batches go together while they have at most so many records.
MOST_TOGETHER = 12


class BatchMessage(Message):
    """Batches of one agent, at least one and each of another partition, as a message of the first of them."""

    def __init__(self, batches: Sequence[Batch], generation: int) -> None:
        tp, first = TP(*batches[0].tp), batches[0].records[0]
        super().__init__(
            tp.topic, tp.partition, first.offset, first.timestamp / 1000, 0, (), None, None, None,
            tp=tp, generation_id=generation,
        )  # fmt: skip
        self.batches = batches
        self.tracked = True  # keeps it out of Faust's set of unacknowledged messages


class Batches(Schema):
    """Gives an agent the batches as they are: nothing to decode, so nothing that can fail."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: BatchMessage, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.batches, message.headers, message)

        return decode


#: A partition, and what was fetched of it.
Fetched = tuple[Partition, Sequence[Record]]


def together(
    fetched: Mapping[Partition, Sequence[Record]], agent_of: Callable[[str], str]
) -> Iterator[list[Fetched]]:
    """What goes in a message each; `agent_of` names the agent of a topic."""
    open_: dict[str, list[Fetched]] = {}
    for one in fetched.items():
        agent = agent_of(one[0].topic)
        found = open_.get(agent)
        if found is not None and sum([len(records) for _, records in found]) + len(one[1]) > MOST_TOGETHER:
            yield found
            found = None
        if found is None:
            found = open_[agent] = []
        found.append(one)
    yield from open_.values()
