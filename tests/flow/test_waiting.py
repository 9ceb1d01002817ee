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


async def test_nobody_goes_while_others_are_served_but_in_the_end() -> None:
    waiting, freed = Waiting(), Connection(1, Nobody())
    loop = asyncio.get_running_loop()
    began, ends = loop.time(), dict[str, float]()

    def note(name: str) -> None:
        ends[name] = loop.time() - began

    served = [waiting.join(LONG_S, LONG_S) for _ in range(20)]
    waiting.join(2 * SHORT_S, LONG_S).add_done_callback(lambda _: note("while others are served"))
    waiting.join(2 * SHORT_S, 3 * SHORT_S).add_done_callback(lambda _: note("in the end"))
    while not all(one.done() for one in served):
        waiting.wake(freed)
        await asyncio.sleep(SHORT_S / 2)
    async with asyncio.timeout(LONG_S / 2):
        while len(ends) < 2:
            await asyncio.sleep(SHORT_S)

    assert ends["while others are served"] > 10 * SHORT_S
    assert ends["in the end"] < ends["while others are served"]


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
