"""Whatever is written, and wherever the reading is cut: the sums of reading all at once, and true."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from streams.attempts import Outcome
from streams.ledger import bookkeeping, state, sums
from streams.ledger.accounts import Counted
from streams.ledger.bookkeeping import Wanted
from streams.ledger.entries import Entries
from streams.ledger.keeper import Ledger
from streams.ledger.sums import Sums
from tests.unit.books import CRM, attempted, dead, redriven, routed

OFFSETS = st.integers(0, 5)
REPLAYS = st.sampled_from([None, "r"])


@dataclass(frozen=True)
class Note:
    offset: int
    replay: str | None
    rule: str | None
    instant: int | None


@dataclass(frozen=True)
class Try:
    offset: int
    replay: str | None
    outcome: Outcome
    number: int
    ambiguous: bool


@dataclass(frozen=True)
class Death:
    place: int
    offset: int
    replay: str | None
    reason: str


@dataclass(frozen=True)
class Back:
    """That the death at this place was brought back; the place may never come, or come later."""

    death: Death


Written = Note | Try | Death | Back
#: The minute of an event is its own: a note that is written again says the same.
INSTANTS = [None, 0, 61_000, 10**12, 10**12 + 60_000, 10**17]

NOTES = st.builds(
    lambda offset, replay, rule: Note(offset, replay, rule, INSTANTS[offset]),
    OFFSETS, REPLAYS, st.sampled_from([None, None, "types", "integrations"]),
)  # fmt: skip
TRIES = st.builds(
    Try, OFFSETS, REPLAYS, st.sampled_from([Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD]),
    st.integers(1, 2), st.booleans(),
)  # fmt: skip
DEATHS = st.builds(Death, st.just(0), OFFSETS, REPLAYS, st.sampled_from(["rejected", "exhausted"]))


@st.composite
def histories(draw: st.DrawFn) -> list[Written]:
    """Records of all topics, as a reading finds them: each topic in its own order, mixed in any."""
    deaths = [
        Death(place * 3, one.offset, one.replay, one.reason)
        for place, one in enumerate(draw(st.lists(DEATHS, max_size=6)))
    ]
    never_read = Death(99, 0, None, "rejected")
    backs = draw(st.lists(st.builds(Back, st.sampled_from([*deaths, never_read])), max_size=4))
    others: list[Written] = [*draw(st.lists(NOTES | TRIES, max_size=16)), *backs]
    mixed = draw(st.permutations([*others, *deaths]))
    in_order = iter(deaths)
    return [next(in_order) if isinstance(one, Death) else one for one in mixed]


def fold(entries: Entries, written: Sequence[Written]) -> None:
    for one in written:
        match one:
            case Note(offset, replay, rule, instant):
                instants = None if instant is None else [instant]
                routed(entries, offset, rule=rule, replay=replay, instants=instants)
            case Try(offset, replay, outcome, number, ambiguous):
                attempted(entries, offset, outcome, attempt=number, ambiguous=ambiguous, replay=replay)
            case Death(place, offset, replay, reason):
                dead(entries, offset, place, reason, replay=replay)
            case Back(death):
                redriven(entries, death.offset, f"dlq/0/{death.place}", replay=death.replay)


@dataclass
class Known:
    """What a plain reading knows of one event."""

    rules: set[str | None] = field(default_factory=set)
    instant: int | None = None
    delivered: int = 0
    first: bool = False
    ambiguous: int = 0
    attempts: int = 0
    back: bool = False
    reasons: set[str] = field(default_factory=set)


def known(written: Sequence[Written]) -> list[Known]:
    """The accepted events, with no bitmap and no order that matters."""
    events: defaultdict[tuple[int, str | None], Known] = defaultdict(Known)
    brought_back = {one.death.place for one in written if isinstance(one, Back)}
    for one in written:
        match one:
            case Note(offset, replay, rule, instant):
                events[offset, replay].rules.add(rule)
                events[offset, replay].instant = instant
            case Try(offset, replay, outcome, number, ambiguous):
                event = events[offset, replay]
                event.attempts += 1
                event.ambiguous += ambiguous
                event.delivered += outcome is Outcome.DELIVERED
                event.first |= outcome is Outcome.DELIVERED and number == 1
            case Death(place, offset, replay, reason) if place not in brought_back:
                events[offset, replay].reasons.add(reason)
            case Back(death):
                events[death.offset, death.replay].back = True
    return [event for event in events.values() if event.rules]


def expected(events: Sequence[Known]) -> Sums:
    line = Sums(accepted=len(events))
    for event in events:
        line.attempts += event.attempts
        line.ambiguous += event.ambiguous
        line.duplicates += max(0, event.delivered - 1)
        line.duplicates_at_most += max(0, event.delivered + event.ambiguous - 1)
        if None not in event.rules:
            line.filtered[min(rule for rule in event.rules if rule)] += 1
            continue
        line.delivered_first += event.first and not event.back
        if event.delivered:
            line.delivered += 1
        elif event.reasons:
            line.dead[min(event.reasons)] += 1
        else:
            line.unaccounted += 1
    return line


def read(ledger: Ledger) -> Sums:
    line = sums.lines(sums.settle(ledger.entries), [CRM])[CRM]
    assert len(line.missing) == line.unaccounted
    line.missing = []
    return line


def by_minute(ledger: Ledger) -> dict[int | None, Sums]:
    settled = sums.settle(ledger.entries)
    found = bookkeeping.buckets(ledger, settled, [], Wanted(by_ms=60_000))
    for bucket in found:
        bucket.destinations[CRM].missing = []
    return {one.period.from_ms if one.period else None: one.destinations[CRM] for one in found}


@given(histories())
def test_the_sums_are_true_and_agree(written: list[Written]) -> None:
    ledger = Ledger()
    fold(ledger.entries, written)

    line = read(ledger)

    assert line == expected(known(written))
    named = line.filtered.total() + line.dead.total() + line.waiting.total()
    assert line.accepted == line.delivered + named + line.queued + line.unaccounted


@given(histories(), st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_cut_anywhere_and_taken_up_from_a_file_it_is_as_read_at_once(
    written: list[Written], cuts: list[int], from_file: bool
) -> None:
    whole, ledger = Ledger(), Ledger()
    kinds: list[type[Written]] = [Note, Try, Back, Death]
    fold(whole.entries, [one for kind in kinds for one in written if isinstance(one, kind)])  # topic by topic

    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(written)], strict=True):
        fold(ledger.entries, written[begin:end])
        read(ledger)
        if from_file:
            ledger = state.parse(state.dump(ledger))

    assert read(ledger) == read(whole)
    assert by_minute(ledger) == by_minute(whole)


@given(histories())
def test_every_event_is_in_the_minute_of_its_timestamp_and_in_one_only(written: list[Written]) -> None:
    ledger = Ledger()
    fold(ledger.entries, written)
    by_instant: defaultdict[int | None, list[Known]] = defaultdict(list)
    for event in known(written):
        minute = None if event.instant is None else event.instant // 60_000 * 60_000
        by_instant[minute].append(event)

    assert by_minute(ledger) == {minute: expected(events) for minute, events in by_instant.items()}


@given(st.lists(st.tuples(st.booleans(), st.lists(OFFSETS, max_size=6)), max_size=8))
def test_counting_is_counting(steps: list[tuple[bool, list[int]]]) -> None:
    counted, plain = Counted(), Counter[int]()
    for adds, offsets in steps:
        if adds:
            counted.add(offsets)
            plain.update(offsets)
        else:
            counted.remove(offsets)
            plain = +Counter({one: plain[one] - offsets.count(one) for one in plain})

        assert set(counted.offsets) == set(plain)
        assert counted.within(counted.offsets) == plain.total()
