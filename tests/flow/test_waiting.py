"""Who waits for a connection, in what order and for how long."""

import asyncio

from streams.http.connection import Connection
from streams.http.waiting import Waiting

LONG_S, SHORT_S = 30.0, 0.05


class Nobody:
    """Keeps no connection."""

    def asked(self, connection: Connection) -> None: ...
    def released(self, connection: Connection) -> None: ...
    def lost(self, connection: Connection) -> None: ...


async def test_first_come_first_served() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    first, second = waiting.join(LONG_S), waiting.join(LONG_S)

    assert waiting.wake(freed)
    assert first.result() is freed
    assert not second.done()
    assert waiting.wake(None)
    assert second.result() is None
    assert not waiting.wake(freed)


async def test_who_gave_up_is_passed_over() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    gone, here = waiting.join(LONG_S), waiting.join(LONG_S)
    gone.cancel()

    assert waiting.wake(freed)
    assert here.result() is freed


async def test_nobody_waits_longer_than_agreed_and_nobody_less() -> None:
    waiting = Waiting()
    gone, short, long = waiting.join(SHORT_S), waiting.join(SHORT_S), waiting.join(LONG_S)
    gone.cancel()

    async with asyncio.timeout(LONG_S / 2):
        assert await short is None
    await asyncio.sleep(SHORT_S)
    assert not long.done()
    waiting.wake_all()
    assert await long is None


async def test_each_has_its_own_time() -> None:
    waiting, ends = Waiting(), list[float]()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(1, 4):
        waiting.join(number * SHORT_S).add_done_callback(lambda _: ends.append(loop.time() - began))
    async with asyncio.timeout(LONG_S / 2):
        while len(ends) < 3:
            await asyncio.sleep(SHORT_S / 10)

    assert all(end > number * SHORT_S - 0.01 for number, end in enumerate(ends, 1))
    assert not len(waiting)
