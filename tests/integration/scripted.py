"""A destination that answers by script, on a thread of the test's process.

An event carries its script in `properties.script` (or `traits.script`). The n-th request for an event
on a path is answered with the n-th step, those after the last with the last; without a script with 200.

    503                                      a status
    {"status": 429, "retry_after": 2}        a status, its Retry-After in seconds, a "body" if given
    "reset", "close"                         the connection ends after the request, by RST or FIN
    "hang"                                   no answer at all

Several events in one request (a JSON array) are answered as Mixpanel does if their steps are 200 and
400; any other step among them is the answer to all.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from streams.demo import misbehave, ports
from streams.demo.destination import Request, read_request, reset
from streams.demo.misbehave import Reply, Then

Step = int | str | Mapping[str, Any]
T = TypeVar("T")

#: What ends a connection without an answer.
ENDINGS = {"reset": Then.RESET, "close": Then.CLOSE, "hang": Then.SILENCE}
LONGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event in one request: what came, and the step that answered it."""

    at: float  #: Unix time
    path: str
    event: str
    attempt: int
    step: Step
    headers: Mapping[str, str]
    body: bytes

    @property
    def taken(self) -> bool:
        """It was answered with success."""
        return 200 <= _status(self.step) <= 299


class Scripted:
    """Any number of destinations on one port of the loopback, one on each path."""

    def __init__(self) -> None:
        self.port = ports.free()
        self.recorded: list[Arrival] = []
        #: Seconds that every answer takes.
        self.delay_s = 0.0
        #: Every answer repeats the request's headers, credentials and all.
        self.echo = False
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._connections: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- what a test asks ----------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}/{path}"

    def arrivals(self, event: str | None = None, path: str | None = None) -> list[Arrival]:
        """What came, in order; of one event or on one path only."""
        return [
            arrival
            for arrival in list(self.recorded)
            if event in (None, arrival.event) and path in (None, arrival.path)
        ]

    def taken(self) -> Counter[tuple[str, str]]:
        """How often each event was answered with success: (path, event id) -> count."""
        return Counter((a.path, a.event) for a in list(self.recorded) if a.taken)

    # -- what a test does to it ----------------------------------------------------------------

    def hold(self) -> None:
        """Give no answers from now on; requests are still recorded when they come."""
        self._do(self._set_open(False))

    def release(self) -> None:
        """Give the answers that were held, and go on."""
        self._do(self._set_open(True))

    def stop(self) -> None:
        """An outage: connections are reset, new ones refused."""
        self._do(self._hang_up())

    def start(self) -> None:
        """The end of the outage, on the same port."""
        self._do(self._listen())

    # -- on the server's thread ----------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set_open(self, is_open: bool) -> None:
        self._open.set() if is_open else self._open.clear()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._converse, ports.LOOPBACK, self.port, backlog=1024, limit=LONGEST_HEAD
        )

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._connections)
        for task, transport in list(self._connections.items()):
            reset(transport)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer.transport
        try:
            while request := await read_request(reader):
                reply = self._reply(request)
                await self._open.wait()
                await asyncio.sleep(self.delay_s)
                writer.write(reply.wire)
                await writer.drain()
                if reply.then is Then.SILENCE:
                    await reader.read()  # until the client has enough
                if reply.then is Then.RESET:
                    reset(writer.transport)
                if reply.then is not Then.KEEP:
                    break
        except (ConnectionError, EOFError, asyncio.CancelledError):
            pass
        finally:
            del self._connections[task]
            writer.close()

    def _reply(self, request: Request) -> Reply:
        content, path = json.loads(request.body), request.path.split("?")[0].strip("/")
        heard = dict(request.headers) if self.echo else {}
        if not isinstance(content, list):
            return answer(self._record(request, path, [content])[0], heard)
        return imported(self._record(request, path, content), heard)

    def _record(self, request: Request, path: str, items: Sequence[Mapping[str, Any]]) -> list[Step]:
        """Note the events of a request; the step that answers each."""
        events = [_event(item) for item in items]
        self._attempts.update((path, event) for event in events)
        attempts = [self._attempts[path, event] for event in events]
        steps = [_step(item, attempt) for item, attempt in zip(items, attempts, strict=True)]
        others = [step for step in steps if step not in (200, 400)]
        steps = [others[0]] * len(steps) if others else steps
        for event, attempt, step in zip(events, attempts, steps, strict=True):
            self.recorded.append(
                Arrival(time.time(), path, event, attempt, step, request.headers, request.body)
            )
        return steps


def answer(step: Step, heard: Mapping[str, str]) -> Reply:
    """One step on the wire, with what was heard repeated in the body."""
    if isinstance(step, str):
        return Reply(step, then=ENDINGS[step])
    if isinstance(step, int):
        return misbehave.http(step, {"said": step, **heard})
    more = {"retry_after": str(step["retry_after"])} if "retry_after" in step else {}
    return misbehave.http(step["status"], step.get("body"), **more)


def imported(steps: Sequence[Step], heard: Mapping[str, str]) -> Reply:
    """Mixpanel's answer to a batch: how many it took, and which it did not."""
    if steps[0] not in (200, 400):
        return answer(steps[0], heard)
    failed = [
        {"index": index, "field": "properties", "message": "as the script says"}
        for index, step in enumerate(steps)
        if step == 400
    ]
    status = 400 if failed else 200
    body = {"code": status, "num_records_imported": len(steps) - len(failed), "failed_records": failed}
    return misbehave.http(status, body | dict(heard))


def script(about: Mapping[str, Any]) -> Sequence[Step]:
    """The steps that an event's properties or traits ask for."""
    found = about.get("script")
    return found if isinstance(found, list) and found else [200]


def _about(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return item.get("properties") or item.get("traits") or {}


def _event(item: Mapping[str, Any]) -> str:
    return str(item.get("messageId") or _about(item).get("$insert_id"))


def _step(item: Mapping[str, Any], attempt: int) -> Step:
    steps = script(_about(item))
    return steps[min(attempt, len(steps)) - 1]


def _status(step: Step) -> int:
    """0 where there is none."""
    if isinstance(step, int):
        return step
    return 0 if isinstance(step, str) else int(step["status"])
