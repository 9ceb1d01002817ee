"""What a redrive brings back and what it names: events, however often the dlq has each of them."""

import itertools

import pytest

from streams import attempts, headers
from streams.attempts import Outcome
from streams.deadletters import CHUNK, DeadLetter, Redriven, redrive
from streams.flight import Record
from streams.headers import Death, Source, Tracking
from streams.retry import Reason
from tests.flow.post import NAMES, Post

DEATH = Death(Reason.TOO_LARGE, "MSG_SIZE_TOO_LARGE", "", 0)
PLACES = itertools.count()


def letter(number: int, destination: str | None = "crm", value: bytes | None = b"{}") -> DeadLetter:
    """A record in the dlq of the event with this number."""
    source = Source("inbound", 0, number)
    tracking = Tracking(destination, f"id-{number}", source) if destination else None
    own = headers.write_death(DEATH, tracking or source, [])
    place = next(PLACES)
    return DeadLetter(
        Source(NAMES.dlq, 0, place),
        Record(NAMES.dlq, 0, place, 0, None, value, own),
        DEATH,
        source,
        tracking,
    )


async def test_what_is_dead_several_times_is_one_event() -> None:
    post = Post()
    found = [
        *(letter(1), letter(1), letter(1, "ads")),
        *(letter(2, value=None), letter(2, value=None), letter(2, "ads", None)),
        *(letter(3, None), letter(3, None)),
        *(letter(4, "gone"), letter(4, "gone")),
    ]

    result = await redrive(post.letters, NAMES, iter(found), "cli")

    assert result == Redriven(2, without_destination=1, without_bytes=2, not_configured=1)
    assert len(post.on(NAMES.deliver("crm"))) == len(post.on(NAMES.deliver("ads"))) == 1
    noted = list(attempts.readable(record.value for record in post.on(NAMES.attempts)))
    assert {one.reason for one in noted} == {str(found[at].at) for at in range(3)}
    assert {one.outcome for one in noted} == {Outcome.REDRIVEN}


@pytest.mark.parametrize("bare_at", [0, CHUNK, 2 * CHUNK])
async def test_what_has_its_bytes_in_one_of_its_records_comes_back(bare_at: int) -> None:
    post = Post()
    found = [letter(number) for number in range(2 * CHUNK)]
    found.insert(bare_at, letter(7, value=None))

    result = await redrive(post.letters, NAMES, iter(found), "cli")

    assert result == Redriven(2 * CHUNK)
    assert len(post.on(NAMES.deliver("crm"))) == 2 * CHUNK
