import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams import headers
from streams.headers import Death, Malformed, Source, Tracking

SOURCE = Source("events", 3, 1234)
FRESH = Tracking("crm-hook", "evt-1", SOURCE)
RETRIED = Tracking(
    destination="crm-hook",
    event_id="evt-1",
    source=SOURCE,
    attempt=3,
    first_attempt_ms=1_760_000_000_000,
    deadline_ms=1_760_014_400_000,
    not_before_ms=1_760_000_070_000,
    due_ms=1_760_000_060_000,
    tier="1m",
    last_error="ECONNREFUSED",
    maybe_delivered=1,
    replay="r-7",
    redrives=2,
)
WRITTEN = [
    ("distributary.destination", b"crm-hook"),
    ("distributary.event-id", b"evt-1"),
    ("distributary.source", b"events/3/1234"),
    ("distributary.attempt", b"3"),
    ("distributary.first-attempt", b"1760000000000"),
    ("distributary.deadline", b"1760014400000"),
    ("distributary.not-before", b"1760000070000"),
    ("distributary.due", b"1760000060000"),
    ("distributary.tier", b"1m"),
    ("distributary.last-error", b"ECONNREFUSED"),
    ("distributary.maybe-delivered", b"1"),
    ("distributary.replay", b"r-7"),
    ("distributary.redrives", b"2"),
]

names = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=30)
instants = st.none() | st.integers(0, 10**14 - 1)
counts = st.integers(0, 999_999)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
sources = st.builds(Source, names, st.integers(0, 10**9 - 1), st.integers(0, 10**18 - 1))
trackings = st.builds(
    Tracking, names, texts, sources, counts, instants, instants, instants, instants,
    st.none() | texts, st.none() | texts, counts, st.none() | texts, counts,
)  # fmt: skip


def without(name: str) -> list[headers.Header]:
    return [header for header in WRITTEN if header[0] != name]


def test_every_field_is_written_as_text_that_kafka_tools_show() -> None:
    assert headers.write(RETRIED) == WRITTEN
    assert headers.read(WRITTEN) == RETRIED


def test_what_is_unknown_or_zero_is_left_out() -> None:
    assert headers.write(FRESH) == WRITTEN[:3]
    assert headers.read(WRITTEN[:3]) == FRESH


@given(trackings)
def test_whatever_is_written_is_read_again(tracking: Tracking) -> None:
    assert headers.read(headers.write(tracking)) == tracking


def test_the_producers_own_headers_go_first_and_come_back_unchanged() -> None:
    # Given a producer that repeats a header, leaves one empty and writes a null and no UTF-8 at all
    own: list[headers.Header] = [("trace", b"a"), ("trace", b"b"), ("none", None), ("", b"\xff")]

    written = headers.write(FRESH, own)

    assert written[:4] == own
    assert headers.own(written) == own
    assert headers.read(written) == FRESH


def test_a_producer_cannot_pretend_to_an_attempt() -> None:
    # Given an inbound record that claims to be beyond its deadline already
    inbound: list[headers.Header] = [
        ("distributary.attempt", b"9"),
        ("distributary.deadline", b"1"),
        ("distributary.not-yet-invented", b"?"),
        ("Distributary.mine", b"kept: not our prefix"),
    ]

    written = headers.write(FRESH, headers.own(inbound))

    assert headers.read(written) == FRESH
    assert headers.own(inbound) == inbound[3:]


def test_of_a_repeated_header_the_last_counts() -> None:
    spoofed: list[headers.Header] = [("distributary.attempt", b"9"), *WRITTEN]

    assert headers.read(spoofed) == RETRIED


@pytest.mark.parametrize("name", [name for name, _ in WRITTEN[:3]])
def test_without_destination_event_id_or_source_a_record_is_malformed(name: str) -> None:
    for damaged in (without(name), [*without(name), (name, None)], [*without(name), (name, b"")]):
        with pytest.raises(Malformed) as malformed:
            headers.read(damaged)

        assert malformed.value.header == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("distributary.event-id", b"\xff\xfe"),
        ("distributary.tier", b"\xc3"),
        ("distributary.attempt", b""),
        ("distributary.attempt", b"three"),
        ("distributary.attempt", b"-1"),
        ("distributary.attempt", b"+1"),
        ("distributary.attempt", b" 1"),
        ("distributary.attempt", b"1_0"),  # int() would take the last four
        ("distributary.attempt", "١".encode()),
        ("distributary.attempt", b"1000000"),
        ("distributary.deadline", b"1e12"),
        ("distributary.deadline", b"9" * 1_000_000),
        ("distributary.not-before", b"100000000000000"),  # beyond the years that a date can have
        ("distributary.source", b"events"),
        ("distributary.source", b"events/3"),
        ("distributary.source", b"/3/4"),
        ("distributary.source", b"events//4"),
        ("distributary.source", b"events/3/4/5"),
        ("distributary.source", b"events/3/-1"),
        ("distributary.source", b"\xff/3/4"),
        ("distributary.source", b"events/3/" + b"9" * 19),
    ],
)
def test_a_nonsense_value_is_named_and_shown_in_short(name: str, value: bytes) -> None:
    with pytest.raises(Malformed) as malformed:
        headers.read([*without(name), (name, value)])

    assert malformed.value.header == name
    assert str(malformed.value).startswith(f"{name}: ")
    assert len(str(malformed.value)) < 200


values = st.none() | st.binary(max_size=30) | st.integers().map(lambda number: b"%d" % number)


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in WRITTEN]), values)))
def test_headers_put_there_by_hand_are_read_or_malformed_never_worse(found: list[headers.Header]) -> None:
    for damaged in (found, WRITTEN + found):
        try:
            tracking = headers.read(damaged)
        except Malformed:
            continue
        assert headers.read(headers.write(tracking)) == tracking


def test_a_record_without_headers_is_malformed() -> None:
    # confluent-kafka gives None, not an empty list
    with pytest.raises(Malformed):
        headers.read(None)
    assert headers.own(None) == []


def test_a_redriven_event_starts_anew_but_stays_itself() -> None:
    again = RETRIED.redriven()

    assert again == FRESH._replace(maybe_delivered=1, replay="r-7", redrives=3)
    assert headers.idempotency_key(again) == headers.idempotency_key(RETRIED)


@pytest.mark.parametrize(
    ("raw", "travels_as"),
    [
        ("evt-1", "evt-1"),
        ("événement", "événement"),
        ("line\nbreak\0", "line\nbreak\0"),
        ("half a \ud83d", "half a \\ud83d"),  # JSON can spell it, UTF-8 can't
    ],
)
def test_an_event_id_travels_as_itself_where_utf8_can_hold_it(raw: str, travels_as: str) -> None:
    tracking = FRESH._replace(event_id=raw)

    assert headers.event_id(raw) == travels_as
    assert headers.read(headers.write(tracking)).event_id == travels_as


@pytest.mark.parametrize("letter", ["a", "é"])
def test_an_endless_event_id_travels_as_its_digest(letter: str) -> None:
    long, longer = (headers.event_id(letter * length) for length in (100_000, 100_001))

    assert long.startswith("sha256-")
    assert len(long) == 71
    assert long != longer
    assert headers.event_id(long) == long


def test_the_idempotency_key_is_event_and_destination() -> None:
    assert headers.idempotency_key(FRESH) == "evt-1_crm-hook"


@pytest.mark.parametrize(
    "event_id",
    ["two words", "line\r\nX-Injected: 1", "événement", "a" * 300, "tab\t", "\x7f", "half a \ud83d", "v1.2"],
)
def test_an_event_id_that_is_no_safe_header_value_is_hashed_into_the_key(event_id: str) -> None:
    key = headers.idempotency_key(FRESH._replace(event_id=event_id))

    assert len(key) == 64
    assert set(key) <= set(string.hexdigits.lower())


@given(st.text(max_size=400), names)
@example("half\ud83d", "a")
@example("a" * 2000, "a")
def test_every_key_is_a_safe_header_value_and_the_same_after_the_journey(event_id: str, dest: str) -> None:
    first = Tracking(dest, event_id or "evt", SOURCE)
    later = headers.read(headers.write(first))._replace(attempt=5, last_error="503", replay="r-1", redrives=1)

    key = headers.idempotency_key(first)

    assert headers.idempotency_key(later) == key
    assert 0 < len(key) <= headers.LONGEST_KEY
    assert all("!" <= letter <= "~" and letter != "." for letter in key)


def test_two_pairs_never_share_a_key() -> None:
    pairs = [("a", "b-c"), ("a_b", "c"), ("a", "b"), ("a_b", "b"), ("a.b", "c"), ("a.b", "b")]

    keys = {headers.idempotency_key(Tracking(dest, event, SOURCE)) for event, dest in pairs}

    assert len(keys) == len(pairs)


def test_a_death_is_written_behind_what_is_known_of_the_event() -> None:
    death = Death("rejected", "400", '{"error": "no such list"}', 1_760_000_000_123)

    written = headers.write_death(death, RETRIED, [("trace", b"a")])

    assert written == [
        ("trace", b"a"),
        *WRITTEN,
        ("distributary.reason", b"rejected"),
        ("distributary.error", b"400"),
        ("distributary.detail", b'{"error": "no such list"}'),
        ("distributary.dead-at", b"1760000000123"),
    ]
    assert headers.read_death(written) == death
    assert headers.read(written) == RETRIED


def test_an_undecodable_record_has_a_source_and_a_death_but_no_destination() -> None:
    death = Death("undecodable", None, "not Avro, not JSON: begins with 0xff", 1)

    written = headers.write_death(death, SOURCE, [("trace", b"a")])

    assert headers.read_death(written) == death
    assert headers.read_source(written) == SOURCE
    assert headers.own(written) == [("trace", b"a")]
    with pytest.raises(Malformed, match="destination"):
        headers.read(written)


def test_a_death_does_not_follow_a_redriven_event() -> None:
    dead = headers.write_death(Death("exhausted", "503", None, 1), RETRIED, [("trace", b"a")])

    redriven = headers.write(headers.read(dead).redriven(), headers.own(dead))

    assert "distributary.reason" not in dict(redriven)


@pytest.mark.parametrize("body", ["x" * 10_000, "x" + "é" * 10_000, "x" + "😀" * 10_000, "\ud800" * 10_000])
def test_the_detail_is_bounded_and_never_cut_inside_a_character(body: str) -> None:
    written = headers.write_death(Death("rejected", "400", body, 1), FRESH)

    detail = dict(written)["distributary.detail"] or b""
    assert headers.LONGEST_DETAIL - 4 < len(detail) <= headers.LONGEST_DETAIL
    assert detail.decode() in headers._bytes(body).decode()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"error": 1}', '{"error": 1}'),
        (b"caf\xe9", "caf\ufffd"),
        (b"", None),
        (b"\xff" * 9000, "\ufffd" * 4096),
    ],
)
def test_a_body_becomes_a_detail_with_replacement(body: bytes, detail: str | None) -> None:
    assert headers.detail(body) == detail


@given(st.builds(Death, texts, st.none() | texts, st.none() | texts, st.integers(0, 10**14 - 1)))
def test_whatever_is_written_of_a_death_is_read_again(death: Death) -> None:
    assert headers.read_death(headers.write_death(death, FRESH)) == death


@pytest.mark.parametrize("name", ["distributary.reason", "distributary.dead-at"])
def test_a_death_without_reason_or_time_is_malformed(name: str) -> None:
    written = headers.write_death(Death("rejected", "400", None, 1), FRESH)

    with pytest.raises(Malformed, match=name):
        headers.read_death([header for header in written if header[0] != name])
