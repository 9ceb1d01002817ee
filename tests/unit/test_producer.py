"""`send` returns when all is confirmed, whatever librdkafka does meanwhile.

That confluent-kafka lets go of what is to be called with a report as the script here does is seen in
tests/integration/test_broker_outage.py.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException

from streams import clock, producer
from streams.listening import Listening
from streams.producer import Outgoing, Producer, Refused
from streams.refusals import Refusals
from streams.ticket import UNSAID, Fault, Ticket

FATAL = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
PURGED = KafkaError(KafkaError._PURGE_QUEUE)
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)

#: No report of the record comes until the test gives it.
HOLD = object()
Report = Callable[[KafkaError | None, Any], None]


class Message(NamedTuple):
    """A record as a report has it: without its headers."""

    of_topic: str
    of_value: bytes
    of_key: bytes | None

    def topic(self) -> str:
        return self.of_topic

    def value(self) -> bytes:
        return self.of_value

    def key(self) -> bytes | None:
        return self.of_key

    def timestamp(self) -> tuple[int, int]:
        return APPENDED


APPENDED = TIMESTAMP_LOG_APPEND_TIME, 1_700_000_000_000


class Held(NamedTuple):
    """A record that is to be reported on."""

    report: Report
    message: Message | None


class Librdkafka:
    """One broker's worth of librdkafka, by script."""

    made: list["Librdkafka"] = []  # noqa: RUF012 - emptied for each test
    #: What becomes of a value, step by step: an error that is reported, an exception that is raised, None.
    script: dict[bytes, list[Any]] = {}  # noqa: RUF012

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.written: list[bytes] = []
        self.held: list[Held] = []
        self.polls = self.asked = 0
        self.answers = False  #: whether a broker says which topics there are
        self.purged: list[bool] = []
        self._reports: deque[tuple[Held, KafkaError | None]] = deque()
        self._fatal: KafkaError | None = None
        self.made.append(self)

    def produce(
        self, topic: str, value: bytes, key: bytes | None, *, headers: Any, on_delivery: Report
    ) -> None:
        if self._fatal is not None:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        step = self.script[value].pop(0) if self.script.get(value) else None
        if isinstance(step, BaseException):
            raise type(step)(*step.args)  # anew: what is kept would keep, by its traceback, on_delivery
        one = Held(on_delivery, Message(topic, value, key))
        if step is HOLD:
            self.held.append(one)
            return
        if step is None:
            self.written.append(value)
        self._reports.append((one, step))

    def fail(self) -> None:
        """The sequence is lost: poll says so, once, and nothing is taken any more."""
        self._fatal = FATAL
        self._reports.append((Held(self._raise, None), FATAL))

    def _raise(self, error: KafkaError | None, _message: Any) -> None:
        raise KafkaException(error)

    def poll(self, timeout: float) -> None:
        assert not timeout, "the event loop may not wait here"
        self.polls += 1
        while self._reports:
            (report, message), error = self._reports.popleft()
            if error is not None or not self.config["delivery.report.only.error"]:
                report(error, message)

    def confirm(self) -> None:
        """Report that what was held back is written."""
        self._reports += [(one, None) for one in self.held]
        self.held.clear()

    def list_topics(self, topic: str | None = None, *, timeout: float) -> None:
        self.asked += 1
        if not self.answers:
            raise KafkaException(TIMED_OUT)

    def purge(self, *, in_flight: bool) -> None:
        self.purged.append(in_flight)
        self._reports += [(one, PURGED) for one in self.held]
        self.held.clear()

    def __len__(self) -> int:
        return len(self.held) + len(self._reports)


@pytest.fixture
async def kafka(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Producer]:
    monkeypatch.setattr(producer, "Librdkafka", Librdkafka)
    Librdkafka.made, Librdkafka.script = [], {}
    made = Producer({"client.id": "test"})
    yield made
    await made.close()


def letters(*values: bytes) -> list[Outgoing]:
    return [Outgoing("t", value) for value in values]


def written() -> list[bytes]:
    return [value for made in Librdkafka.made for value in made.written]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_topics_are_asked_for_and_a_broker_that_says_nothing_is_no_failure(kafka: Producer) -> None:
    await kafka.learn_topics()

    assert Librdkafka.made[0].asked == 1
    await kafka.send(letters(b"a"))
    assert written() == [b"a"]


async def test_send_returns_when_every_record_is_confirmed(kafka: Producer) -> None:
    Librdkafka.script = {b"b": [HOLD]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a", b"b", b"c")))
    await until(lambda: len(written()) == 2)
    await asyncio.sleep(0.05)
    assert not sending.done()

    Librdkafka.made[0].confirm()
    await asyncio.wait_for(sending, 5)


async def test_what_fails_in_passing_is_written_again_and_the_others_are_not(kafka: Producer) -> None:
    Librdkafka.script = {b"b": [TIMED_OUT, TIMED_OUT]}

    await kafka.send(letters(b"a", b"b"))

    assert written() == [b"a", b"b"]


async def test_a_record_refused_for_good_is_named_after_all_others_are_written(kafka: Producer) -> None:
    Librdkafka.script = {b"b": [TOO_LARGE, TOO_LARGE], b"c": [TIMED_OUT]}

    with pytest.raises(Refused) as refusal:
        await kafka.send(letters(b"a", b"b", b"c"))

    assert refusal.value.refused == [(1, "MSG_SIZE_TOO_LARGE")]
    assert sorted(written()) == [b"a", b"c"]


async def test_a_record_refused_for_its_neighbours_sake_is_written(kafka: Producer) -> None:
    # The broker refuses the whole batch that one record is too large for.
    Librdkafka.script = {b"small": [TOO_LARGE], b"large": [TOO_LARGE, TOO_LARGE]}

    with pytest.raises(Refused) as refusal:
        await kafka.send(letters(b"small", b"large"))

    assert [index for index, _ in refusal.value.refused] == [1]
    assert written() == [b"small"]


async def test_a_full_queue_is_waited_for(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [BufferError(), BufferError()]}

    await asyncio.wait_for(kafka.send(letters(b"a", b"b")), 5)

    assert written() == [b"a", b"b"]


async def test_a_record_that_is_not_even_taken_is_no_different_from_one_that_failed(kafka: Producer) -> None:
    Librdkafka.script = {
        b"large": [KafkaException(TOO_LARGE)] * 2,
        b"early": [KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))],
    }

    with pytest.raises(Refused) as refusal:
        await kafka.send(letters(b"large", b"early"))

    assert [index for index, _ in refusal.value.refused] == [0]
    assert written() == [b"early"]


async def test_a_fatal_error_is_survived_by_a_new_producer_which_writes_what_the_old_one_held(
    kafka: Producer,
) -> None:
    # librdkafka raises it from poll, in nobody's record: who polls must not end of it, else every `send`
    # that is under way waits for ever.
    Librdkafka.script = {b"a": [HOLD], b"b": [HOLD]}
    sends = [asyncio.ensure_future(kafka.send(letters(value))) for value in (b"a", b"b")]
    await until(lambda: len(Librdkafka.made[0].held) == 2)

    Librdkafka.made[0].fail()
    await asyncio.wait_for(asyncio.gather(*sends, kafka.send(letters(b"c"))), 5)

    assert len(Librdkafka.made) == 2
    assert sorted(Librdkafka.made[1].written) == [b"a", b"b", b"c"]


async def test_a_second_fatal_error_is_survived_too(kafka: Producer) -> None:
    for number in range(2):
        Librdkafka.made[number].fail()
        await asyncio.wait_for(kafka.send(letters(b"%d" % number)), 5)
        await until(lambda number=number: len(Librdkafka.made) == number + 2)  # type: ignore[misc]

    await asyncio.wait_for(kafka.send(letters(b"last")), 5)
    assert b"last" in written()


async def test_one_that_writes_nothing_in_time_and_gets_no_answer_is_replaced(kafka: Producer) -> None:
    # librdkafka may stand still for good: whatever it is given times out, again and again.
    Librdkafka.script = {b"a": [TIMED_OUT], b"b": [TIMED_OUT], b"c": [HOLD]}
    held = asyncio.ensure_future(kafka.send(letters(b"c")))
    await until(lambda: Librdkafka.made[0].held)

    await asyncio.wait_for(asyncio.gather(held, *(kafka.send(letters(one)) for one in (b"a", b"b"))), 5)

    old, new = Librdkafka.made
    assert (old.written, old.asked, old.purged) == ([], 1, [False])  # in flight: answers may come
    assert sorted(new.written) == [b"a", b"b", b"c"]


async def test_one_that_gets_an_answer_is_not_replaced_for_a_record_that_was_late(kafka: Producer) -> None:
    Librdkafka.made[0].answers = True
    Librdkafka.script = {b"a": [TIMED_OUT]}

    await asyncio.wait_for(kafka.send(letters(b"a")), 5)

    [one] = Librdkafka.made
    assert (one.written, one.asked, one.purged) == ([b"a"], 1, [])


async def test_one_that_writes_records_by_themselves_is_replaced_when_it_writes_nothing_in_time(
    kafka: Producer,
) -> None:
    Librdkafka.script = {b"large": [TOO_LARGE, TIMED_OUT, TOO_LARGE]}

    await asyncio.wait_for(kafka.send(letters(b"large")), 5)

    _, first, second = Librdkafka.made
    assert (first.written, second.written) == ([], [b"large"])


async def test_a_fatal_error_while_it_is_doubted_makes_one_new_producer(
    kafka: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def answer(*_args: Any, **_options: Any) -> None:
        asked.wait()
        raise KafkaException(TIMED_OUT)

    monkeypatch.setattr(Librdkafka.made[0], "list_topics", answer)
    Librdkafka.script = {b"a": [TIMED_OUT]}
    send = asyncio.ensure_future(kafka.send(letters(b"a")))
    await asyncio.sleep(0.01)

    Librdkafka.made[0].fail()
    await asyncio.wait_for(kafka.send(letters(b"b")), 5)
    asked.set()
    await asyncio.wait_for(send, 5)

    assert len(Librdkafka.made) == 2
    assert sorted(Librdkafka.made[1].written) == [b"a", b"b"]


async def test_a_send_that_is_cancelled_does_not_disturb_the_others(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [HOLD]}
    given_up = asyncio.ensure_future(kafka.send(letters(b"a")))
    await until(lambda: Librdkafka.made[0].held)
    given_up.cancel()

    Librdkafka.made[0].confirm()
    await asyncio.wait_for(kafka.send(letters(b"b")), 5)

    assert given_up.cancelled()


async def test_nothing_to_send_is_sent_at_once(kafka: Producer) -> None:
    await asyncio.wait_for(kafka.send([]), 1)


async def test_reports_are_looked_for_while_some_are_to_come_and_no_longer(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [HOLD]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a")))
    await until(lambda: Librdkafka.made[0].polls > 3)

    Librdkafka.made[0].confirm()
    await asyncio.wait_for(sending, 5)
    await asyncio.sleep(0.01)
    polls = Librdkafka.made[0].polls
    await asyncio.sleep(0.05)

    assert Librdkafka.made[0].polls == polls


async def test_a_send_that_is_cancelled_at_a_full_queue_is_not_waited_for(kafka: Producer) -> None:
    # Its reports never come: they would be looked for as long as the process lives, and every close be late.
    Librdkafka.script = {b"b": [BufferError()] * 1000}
    given_up = asyncio.ensure_future(kafka.send(letters(b"a", b"b")))
    await until(lambda: written() == [b"a"])
    given_up.cancel()
    await asyncio.wait([given_up])

    async with asyncio.timeout(1):
        await kafka.close(timeout_s=5)


async def test_what_librdkafka_cannot_even_be_given_is_raised_and_not_waited_for(kafka: Producer) -> None:
    Librdkafka.script = {b"b": [TypeError("no bytes")]}
    with pytest.raises(TypeError):
        await kafka.send(letters(b"a", b"b"))

    async with asyncio.timeout(1):
        await kafka.close(timeout_s=5)


async def test_nor_is_it_where_another_has_failed_before(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [KafkaException(TOO_LARGE)], b"b": [TypeError("no bytes")]}
    with pytest.raises(TypeError):
        await kafka.send(letters(b"a", b"b"))

    async with asyncio.timeout(1):
        await kafka.close(timeout_s=5)


async def test_a_look_that_fails_is_not_the_last(kafka: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a report that fails as nobody foresaw, while another is to come
    loop, unforeseen = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: unforeseen.append(context["exception"]))
    Librdkafka.script = {b"a": [HOLD]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a")))
    await until(lambda: Librdkafka.made[0].held)
    real, failing = Librdkafka.poll, RuntimeError("unforeseen")

    def fail(librdkafka: Librdkafka, timeout: float) -> None:
        monkeypatch.setattr(Librdkafka, "poll", real)
        raise failing

    monkeypatch.setattr(Librdkafka, "poll", fail)
    await until(lambda: unforeseen == [failing])

    Librdkafka.made[0].confirm()

    await asyncio.wait_for(sending, 1)


async def test_close_waits_for_what_is_on_its_way(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [HOLD]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a")))
    await until(lambda: Librdkafka.made[0].held)
    closing = asyncio.ensure_future(kafka.close(timeout_s=5))
    await asyncio.sleep(0.03)
    assert not closing.done()

    Librdkafka.made[0].confirm()

    await asyncio.wait_for(asyncio.gather(closing, sending), 1)


async def test_close_gives_up_in_time_on_what_is_never_reported(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [HOLD]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a")))
    await until(lambda: Librdkafka.made[0].held)

    async with asyncio.timeout(1):
        await kafka.close(timeout_s=0.05)

    assert not sending.done()
    sending.cancel()
    Librdkafka.made[0].held.clear()  # for the fixture, which closes it once more


async def test_of_what_is_written_only_a_producer_that_is_asked_to_tells_the_clock(
    kafka: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, int]] = []
    monkeypatch.setattr(clock, "heard", lambda kind, append_ms, _sent: heard.append((kind, append_ms)))
    await kafka.send(letters(b"a"))
    assert not heard

    aloud = Producer({"client.id": "test"}, aloud=True)
    await aloud.send(letters(b"b"))
    await aloud.close()

    assert heard == [APPENDED]


async def test_a_failure_is_known_before_the_wait_is_over(kafka: Producer) -> None:
    Librdkafka.script = {b"a": [HOLD], b"b": [TIMED_OUT]}
    sending = asyncio.ensure_future(kafka.send(letters(b"a", b"b", b"c")))
    await until(lambda: Librdkafka.made[0].held and not Librdkafka.made[0]._reports)

    Librdkafka.made[0].confirm()
    await asyncio.wait_for(sending, 5)

    assert written() == [b"c", b"b"]


async def test_of_records_that_a_report_cannot_tell_apart_all_are_written_again(kafka: Producer) -> None:
    # Given the same bytes from two places, of which one fails, and beside them what differs by key or topic
    Librdkafka.script = {b"a": [TIMED_OUT]}
    headers = [("distributary.source", b"events/0/1")], [("distributary.source", b"events/0/2")]
    same = [Outgoing("t", b"a", b"k", known) for known in headers]

    await asyncio.wait_for(kafka.send([*same, Outgoing("t", b"a", b"other"), Outgoing("u", b"a", b"k")]), 5)

    assert written() == [b"a"] * 3 + [b"a"] * 2


async def test_where_a_report_fits_no_record_all_are_written_again(
    kafka: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Librdkafka.script = {b"a": [TIMED_OUT]}
    monkeypatch.setattr(Message, "value", lambda _: b"something else")

    await asyncio.wait_for(kafka.send(letters(b"a", b"b")), 5)

    assert written() == [b"b", b"a", b"b"]


async def test_what_is_refused_to_several_producers_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(producer, "Librdkafka", Librdkafka)
    monkeypatch.setattr(Librdkafka, "made", [])
    denied = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    Librdkafka.script = {b"a": [denied], b"b": [denied]}
    known = Refusals()
    several = [Producer({}, refusals=known), Producer({}, aloud=True, refusals=known)]

    await asyncio.wait_for(asyncio.gather(several[0].send(letters(b"a")), several[1].send(letters(b"b"))), 5)

    assert caplog.text.count("produce.refused topic=t") == 1
    assert caplog.text.count("produce.taken_again topic=t") == 1
    assert not known
    for one in several:
        await one.close()


class Unreadable:
    """A record that nothing can be learned of."""

    def topic(self) -> str:
        raise MemoryError


async def test_a_failure_that_could_not_be_noted_is_one_all_the_same() -> None:
    faults: list[Fault] = []
    future = asyncio.get_running_loop().create_future()
    ticket = Ticket(faults, future)
    with contextlib.suppress(MemoryError):
        ticket.report(TIMED_OUT, Unreadable())
    assert not future.done()

    del ticket

    assert future.done()
    assert faults == [UNSAID]


class Said:
    """A producer that notes what it is asked to write."""

    def __init__(self) -> None:
        self.written: list[bytes | None] = []

    async def send(self, records: Sequence[Outgoing]) -> None:
        self.written += [record.value for record in records]


async def test_the_clock_is_told_by_the_first_write_and_then_by_one_each_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, quiet, aloud = [100.0], Said(), Said()
    monkeypatch.setattr(clock, "steady", lambda: now[0])
    listening = Listening(quiet, aloud)

    for later in (0.0, 0.4, 0.4, 0.4, 0.4):
        now[0] += later
        await listening.send(letters(b"%.1f" % now[0]))

    assert aloud.written == [b"100.0", b"101.2"]
    assert quiet.written == [b"100.4", b"100.8", b"101.6"]
