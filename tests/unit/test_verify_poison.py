"""What `poison` writes is what it is said to be."""

import pytest

from streams import codec
from streams.codec import Decoder, Undecodable
from streams.verify import cast, raw
from streams.verify.cast import USUAL
from streams.verify.faults.strange import INFINITE, LARGEST, NAMES, NO_EVENTS, STRANGE, TIMES_MS
from streams.verify.raw import Raw
from tests.unit.test_verify_script import RULES

DECODER = Decoder(None, LARGEST)


@pytest.mark.parametrize(("value", "why"), NO_EVENTS)
def test_what_is_no_event_is_none_for_the_reason_that_is_expected(value: bytes | None, why: str) -> None:
    with pytest.raises(Undecodable) as caught:
        DECODER.decode(value)
    assert caught.value.reason == why


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_strange_is_still_the_event_it_was(name: str) -> None:
    planned = cast.planned("e1", {"type": "identify", "traits": {}}, {"moody": (503, 200)}, USUAL, RULES)
    found = DECODER.decode(codec.encode_json(dict(planned.event))[:-1] + STRANGE[name] + b"}")
    assert (found["type"], found["messageId"]) == ("identify", "e1")
    assert cast.scripts_of(found) == {"moody": [503, 200]}


def test_what_is_infinite_can_be_routed_and_not_read() -> None:
    value = b'{"type":"identify","messageId":"e1"' + INFINITE + b"}"
    assert DECODER.outline(value).message_id == "e1"
    with pytest.raises(Undecodable, match="infinity"):
        DECODER.decode(value)


def test_names_and_times_are_written_as_they_are() -> None:
    records = [Raw(b"{}", headers=[name], timestamp_ms=at) for name, at in zip(NAMES, TIMES_MS, strict=True)]
    written = bytes(raw._batch(records)._build())
    assert all(name in written for name, _ in NAMES)
    assert len(written) < 400
