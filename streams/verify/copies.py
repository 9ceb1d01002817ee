"""Records at places that the load was not told of: each is an event of its own, and has to end as well.

An idempotent producer writes nothing twice as long as its broker knows what it wrote last: none of 46,000
records at 15 kills and none of 314,000 at 16 kills and stops of up to 33 s of one broker (Kafka 4.3.1). A
broker that has forgotten takes a batch again whose confirmation was lost. The workers then see two records
at two places, so both are expected to come to the fate that their event was planned to have. And one that
says of a batch that it has it, but not where, leaves its records without a place (seen when leaders changed).
"""

from collections.abc import Container, Iterable, Mapping, Sequence

from streams.codec import Decoder
from streams.decoding.undecodable import Undecodable
from streams.flight import Record
from streams.headers import Source
from streams.verify.cast import Planned


def among(
    records: Iterable[Record],
    planned: Mapping[Source, Planned],
    others: Container[Source],
    unplaced: Sequence[Planned] = (),
) -> dict[Source, Planned]:
    """Records of planned events at places that nobody was told of; `others` are known places, too."""
    by_id = {one.id: one for one in (*planned.values(), *unplaced)}
    decoder, found = Decoder(), {}
    for record in records:
        source = Source(record.topic, record.partition, record.offset)
        if source in planned or source in others:
            continue
        if one := by_id.get(_id(decoder, record.value)):
            found[source] = one
    return found


def _id(decoder: Decoder, value: bytes | None) -> str:
    try:
        return str(decoder.decode(value).get("messageId"))
    except Undecodable:
        return ""
