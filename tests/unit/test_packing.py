"""What is packed is what Kafka's own format says, read by aiokafka's reader."""

import json
from collections.abc import Sequence
from io import BytesIO

import pytest
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.record.default_records import DefaultRecordBatch

from streams import packing, produce
from streams.packing import Content, Packed, by_partition, pack

TRACK = Content(b'{"type":"track"}', b"u1", [("trace", b"1"), ("null", None), ("\u00fc", b"\xff")])
BARE = Content(b"{}", None, [])
EMPTY = Content(None, b"", [])
NOW_MS = 1_790_000_000_000


def read(data: bytes) -> DefaultRecordBatch:
    batch = DefaultRecordBatch(data)
    assert batch.validate_crc()
    return batch


def contents(batches: Sequence[Packed]) -> list[Content]:
    return [
        Content(record.value, record.key, [*record.headers])
        for packed in batches
        for record in read(packed.signed(1, 0, 0))
    ]


def test_what_is_packed_is_read_as_it_was() -> None:
    records = [TRACK, BARE, EMPTY]
    [packed] = pack(records, NOW_MS)
    assert contents([packed]) == records == list(packed.contents)
    assert [record.timestamp for record in read(packed.data)] == [NOW_MS] * 3


def test_it_is_smaller_than_it_was() -> None:
    value = json.dumps({"type": "track", "userId": "u" * 50}).encode()
    [packed] = pack([Content(value, b"u", []) for _ in range(100)], NOW_MS)
    assert len(packed.data) < 100 * len(value) / 10


def test_what_is_small_is_not_compressed() -> None:
    value = b'{"type":"track"}' * 20
    [one], [many] = pack([Content(value, b"u", [])], NOW_MS), pack([Content(value, b"u", [])] * 10, NOW_MS)
    assert value in one.data
    assert value not in many.data
    assert contents([one]) * 10 == contents([many])


def test_each_topic_gets_a_copy_with_its_own_number() -> None:
    [packed] = pack([TRACK, BARE], NOW_MS)
    one, two = read(packed.signed(4711, 3, 0)), read(packed.signed(4711, 3, 2**31 - 1))
    assert (one.producer_id, one.producer_epoch, one.base_sequence) == (4711, 3, 0)
    assert two.base_sequence == 2**31 - 1
    assert contents([packed]) == [TRACK, BARE]


def test_what_one_batch_does_not_hold_is_in_several_and_the_largest_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 1000)
    records = [Content(b"%d" % size * size, b"k", []) for size in (10, 5000, 300, 300, 300, 10)]
    batches = pack(records, NOW_MS)
    assert contents(batches) == records
    assert len(batches) > 2
    assert [len(one.contents) for one in batches if records[1] in one.contents] == [1]


def test_nothing_is_no_batch() -> None:
    assert pack([], NOW_MS) == []


def test_a_key_keeps_its_partition_and_those_without_one_stay_together() -> None:
    keyed = [Content(b"", b"user-%d" % number, []) for number in range(100)]
    there = by_partition([*keyed, *keyed], 4)
    assert sorted(there) == [0, 1, 2, 3]
    for records in there.values():
        assert all(records.count(one) == 2 for one in records)
    assert len(by_partition([BARE, EMPTY] * 10, 4)) == 1


def test_a_request_is_what_kafka_reads() -> None:
    body = produce.request([("one", 3, b"batch"), ("t\u00fc", 0, b""), ("one", 1, b"x")])
    asked = ProduceRequest_v7.decode(BytesIO(body))
    assert (asked.transactional_id, asked.required_acks) == (None, -1)
    assert asked.topics == [("one", [(3, b"batch"), (1, b"x")]), ("t\u00fc", [(0, b"")])]


def test_an_answer_is_read_as_kafka_writes_it() -> None:
    topics = [("one", [(3, 0, 17, -1, 0), (1, 29, -1, -1, -1)]), ("t\u00fc", [(0, 6, -1, -1, -1)])]
    answered = ProduceResponse_v7(topics, 250)
    assert produce.answers(answered.encode()) == (
        {("one", 3): 0, ("one", 1): 29, ("t\u00fc", 0): 6},
        0.25,
    )
