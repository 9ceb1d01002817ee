"""The bound on duplicates for a worker that was frozen: what was in hand, and what it had in flight."""

import pytest

from streams.flight import Partition, Record
from streams.headers import Source, Tracking
from streams.verify import repeats
from streams.verify.repeats import Strike
from streams.verify.topics import Topics, Tracked

INBOUND, DELIVER = Partition("events", 0), Partition("deliver.crm", 0)
#: Twelve events, all routed in the end.
TOPICS = Topics(
    [], [], [],
    [
        Tracked(
            Record(*DELIVER, number, 0, None, b"", ()),
            Tracking("crm", f"e{number}", Source("events", 0, number), 0),
        )
        for number in range(12)
    ],
    [],
)  # fmt: skip


@pytest.mark.parametrize(
    ("deliver_end", "unsent", "in_hand"),
    [
        (10, {}, 3),  # killed: e4 to e6 had arrived and are not committed
        (10, {"deliver.crm": 2}, 5),  # frozen: and it goes on with two requests
        (5, {"deliver.crm": 2}, 1),  # no more than there are
    ],
)
def test_one_that_was_frozen_goes_on_with_what_it_had_in_flight(
    deliver_end: int, unsent: dict[str, int], in_hand: int
) -> None:
    first = {("crm", f"e{number}"): 1.0 for number in range(7)}
    strike = Strike("", {INBOUND: 12, DELIVER: 4}, {INBOUND: 12, DELIVER: deliver_end}, 2.0, unsent=unsent)
    assert repeats.in_hand(strike, TOPICS, first) == in_hand


def test_what_a_frozen_worker_was_routing_counts_be_it_written_only_when_it_thaws() -> None:
    strike = Strike("", {INBOUND: 9, DELIVER: 10}, {INBOUND: 12, DELIVER: 10}, 2.0, unsent={"deliver.crm": 2})
    assert repeats.in_hand(strike, TOPICS, {}) == 3
