"""Who waits for a connection, in what order and for how long."""

import asyncio

from streams.http.connection import Connection
from streams.http.waiting import Waiter, Waiting

LONG_S, SHORT_S = 30.0, 0.05


class Nobody:
    """Keeps no connection."""

    def asked(self, connection: Connection) -> None: ...
    def released(self, connection: Connection) -> None: ...
    def lost(self, connection: Connection) -> None: ...


async def test_first_come_first_served() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    first, second = waiting.join(LONG_S, LONG_S), waiting.join(LONG_S, LONG_S)

    assert waiting.wake(freed)
    assert first.result() is freed
    assert not second.done()
    assert waiting.wake(None)
    assert second.result() is None
    assert not waiting.wake(freed)


async def test_who_gave_up_is_passed_over() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    gone, here = waiting.join(LONG_S, LONG_S), waiting.join(LONG_S, LONG_S)
    gone.cancel()

    assert waiting.wake(freed)
    assert here.result() is freed


async def test_nobody_waits_longer_than_agreed_and_nobody_less() -> None:
    waiting = Waiting()
    gone, short, long = (
        waiting.join(SHORT_S, LONG_S),
        waiting.join(SHORT_S, LONG_S),
        waiting.join(LONG_S, LONG_S),
    )
    gone.cancel()

    async with asyncio.timeout(LONG_S / 2):
        assert await short is None
    await asyncio.sleep(SHORT_S)
    assert not long.done()
    waiting.wake_all()
    assert await long is None


async def test_who_comes_later_may_wait_for_less() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    served, long = waiting.join(LONG_S, LONG_S), waiting.join(LONG_S, LONG_S)
    waiting.wake(freed)

    async with asyncio.timeout(LONG_S / 2):
        assert await waiting.join(SHORT_S, LONG_S) is None
    assert served.result() is freed
    assert waiting.wake(freed)
    assert long.result() is freed


async def test_who_waits_goes_when_nobody_is_served_for_long_and_in_the_end() -> None:
    future = asyncio.get_running_loop().create_future()
    waiter = Waiter(since=100, seconds=2, until=110, future=future)

    assert waiter.goes_at(served_at=50) == 102
    assert waiter.goes_at(served_at=105) == 107
    assert waiter.goes_at(served_at=109) == 110


async def test_who_waits_stays_while_others_are_served() -> None:
    waiting, loop = Waiting(), asyncio.get_running_loop()
    waiting.join(LONG_S, LONG_S)
    stays = waiting.join(2.0, LONG_S)
    await asyncio.sleep(0.2)
    waiting.wake(None)
    served_at = loop.time()

    async with asyncio.timeout(LONG_S / 2):
        await stays
    assert loop.time() > served_at + 1.95


async def test_each_has_its_own_time() -> None:
    waiting, ends = Waiting(), list[float]()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(1, 4):
        waiting.join(LONG_S, number * SHORT_S).add_done_callback(lambda _: ends.append(loop.time() - began))
    async with asyncio.timeout(LONG_S / 2):
        while len(ends) < 3:
            await asyncio.sleep(SHORT_S / 10)

    assert all(end > number * SHORT_S - 0.01 for number, end in enumerate(ends, 1))
    assert not len(waiting)
