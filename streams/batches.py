"""A batch as Faust passes it on: one message from the consumer to an agent, and nothing to decode."""

from typing import Any

from faust import Schema
from faust.types import TP
from faust.types.tuples import Message

from streams.flight import Batch


class BatchMessage(Message):
    """A batch as Faust's message: `value` is the records, `batch` says what of them is finished."""

    def __init__(self, tp: TP, batch: Batch, generation: int) -> None:
        first = batch.records[0]
        super().__init__(
            tp.topic, tp.partition, first.offset, first.timestamp / 1000, 0, (), None, batch.records, None,
            tp=tp, generation_id=generation,
        )  # fmt: skip
        self.batch = batch
        self.tracked = True  # keeps it out of Faust's set of unacknowledged messages


class Batches(Schema):
    """Gives an agent the batch as it is: nothing to decode, so nothing that can fail."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: BatchMessage, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.batch, message.headers, message)

        return decode
