"""How we stand with the group: what a worker that stood still may go on with, and what it may commit."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams import coordinator, standing
from streams.coordinator import Coordinator
from streams.dispatch import GivenBack, until_done
from streams.flight import Batch, Partition
from streams.standing import SAFE, Standing

TP = Partition("deliver.crm", 0)
SESSION_S = 10.0
HEARTBEAT = HeartbeatRequest("group", 1, "member")
SYNC = SyncGroupRequest("group", 1, "member", None, [])
COMMIT = OffsetCommitRequest("group", 1, "member", -1, [])
UNKNOWN, REBALANCING = errors.UnknownMemberIdError.errno, errors.RebalanceInProgressError.errno


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(standing, "steady", made)
    monkeypatch.setattr(coordinator, "steady", made)
    monkeypatch.setattr(standing, "LOOK_S", 0.001)
    return made


@pytest.fixture
def ours(time: Time) -> Standing:
    made = Standing(SESSION_S)
    made.heard(time.now)
    return made


class Aiokafka:
    """aiokafka's coordinator, as far as ours stands before it."""

    def __init__(self) -> None:
        self.group_id, self.generation = "group", 1
        self.sent: list[Any] = []
        self.rejoins = 0
        self.answers: list[int] = []
        self.takes_s = 0.0
        self.time: Time | None = None

    async def _send_req(self, request: Any) -> Any:
        self.sent.append(request)
        if self.time is not None:
            self.time.now += self.takes_s
        code = self.answers.pop(0)
        return SimpleNamespace(error_code=code, topics=[("deliver.crm", [(0, 0), (1, code)])])

    def reset_generation(self) -> None:
        self.generation = -1

    def request_rejoin(self) -> None:
        self.rejoins += 1


@pytest.fixture
def aiokafka(ours: Standing, time: Time) -> Aiokafka:
    made = Aiokafka()
    made.time = time
    Coordinator(made, ours)
    return made


async def test_silence_longer_than_a_safe_part_of_the_session_is_doubt(ours: Standing, time: Time) -> None:
    time.now += SESSION_S * SAFE - 0.1
    assert ours.sure
    time.now += 0.2
    assert not ours.sure


@pytest.mark.parametrize(
    ("request_", "code", "sign"),
    [
        (HEARTBEAT, 0, True),
        (HEARTBEAT, REBALANCING, True),  # we are to join again, so we are known
        (HEARTBEAT, 15, False),  # the coordinator is being looked for
        (SYNC, 0, True),
        (SYNC, REBALANCING, False),
        (COMMIT, 0, False),  # not every broker lets it prolong the session
    ],
)
async def test_what_is_a_sign_that_the_coordinator_knows_us(
    ours: Standing, aiokafka: Aiokafka, time: Time, request_: Any, code: int, sign: bool
) -> None:
    time.now += SESSION_S
    aiokafka.answers = [code]

    await aiokafka._send_req(request_)

    assert ours.sure is sign


async def test_an_answer_counts_from_when_it_was_asked_for(
    ours: Standing, aiokafka: Aiokafka, time: Time
) -> None:
    # The worker froze between the two: what lay in its socket is from before.
    aiokafka.answers, aiokafka.takes_s = [0], SESSION_S

    await aiokafka._send_req(HEARTBEAT)

    assert not ours.sure


async def test_while_nobody_can_tell_nothing_is_begun_or_written_until_a_heartbeat_succeeds(
    ours: Standing, time: Time
) -> None:
    batch, written = Batch(TP, [], ours), asyncio.Event()

    async def write() -> None:
        written.set()

    time.now += 2 * SESSION_S
    begun = asyncio.ensure_future(batch.free())
    writing = asyncio.ensure_future(until_done("settle", batch, write))
    await asyncio.sleep(0.02)
    assert not begun.done()
    assert not written.is_set()

    ours.heard(time.now)
    assert await begun
    await writing


async def test_one_that_was_expelled_writes_nothing_of_what_it_had_in_hand_even_when_it_has_joined_again(
    ours: Standing, time: Time
) -> None:
    batch = Batch(TP, [], ours)
    time.now += 2 * SESSION_S
    writing = asyncio.ensure_future(until_done("settle", batch, lambda: asyncio.sleep(0)))
    await asyncio.sleep(0)

    ours.expelled()
    ours.heard(time.now)

    with pytest.raises(GivenBack):
        await writing
    assert not await batch.free()
    assert await Batch(TP, [], ours).free()


async def test_a_batch_that_is_given_back_waits_for_no_heartbeat(ours: Standing, time: Time) -> None:
    batch = Batch(TP, [], ours)
    time.now += 2 * SESSION_S
    batch.halted = True

    async with asyncio.timeout(1):
        assert not await batch.free()


async def test_a_commit_that_finds_us_expelled_is_refused_in_one_line(
    ours: Standing, aiokafka: Aiokafka, caplog: pytest.LogCaptureFixture
) -> None:
    aiokafka.answers = [UNKNOWN]

    with pytest.raises(errors.IllegalGenerationError):  # which aiokafka and Faust take for: rebalanced
        await aiokafka._send_req(COMMIT)

    assert not ours.member
    assert aiokafka.generation == -1
    assert [one.message.split()[0] for one in caplog.records] == ["group.expelled"]


async def test_one_that_was_expelled_commits_nothing_without_a_generation(
    ours: Standing, aiokafka: Aiokafka
) -> None:
    # A group without members takes such a commit from anybody, over what a successor has committed.
    aiokafka.answers = [UNKNOWN]
    await aiokafka._send_req(HEARTBEAT)
    aiokafka.reset_generation()

    with pytest.raises(errors.IllegalGenerationError):
        await aiokafka._send_req(COMMIT)

    assert aiokafka.sent == [HEARTBEAT]


async def test_a_commit_in_the_middle_of_a_rebalance_expels_nobody(
    ours: Standing, aiokafka: Aiokafka
) -> None:
    aiokafka.answers = [REBALANCING]

    with pytest.raises(errors.RebalanceInProgressError):
        await aiokafka._send_req(COMMIT)

    assert ours.member
    assert aiokafka.rejoins == 1


def test_all_that_aiokafka_asks_its_coordinator_goes_through_the_method_that_we_stand_before() -> None:
    for asks in (
        GroupCoordinator._do_heartbeat,
        GroupCoordinator._do_commit_offsets,
        CoordinatorGroupRebalance._send_sync_group_request,
    ):
        assert "_send_req(request)" in inspect.getsource(asks)
    for name in ("reset_generation", "request_rejoin"):
        assert hasattr(GroupCoordinator, name)
    assert "self.generation = " in inspect.getsource(GroupCoordinator.__init__)
