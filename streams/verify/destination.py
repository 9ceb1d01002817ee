"""The destination server of `distributary verify`: answers by script, and writes down what it was sent.

A process of its own, so that it measures workers and nothing else::

    python -m streams.verify.destination --port 8080 --record arrivals.jsonl

Every request is one line of JSON in the record, written when it has arrived, before it is answered: a
worker that is killed meanwhile has sent it all the same.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from streams.demo import ports
from streams.demo.destination import Request, read_request, reset
from streams.demo.misbehave import Then
from streams.verify import cast, script
from streams.verify.script import Step

LONGEST_HEAD = 1 << 20
#: How long a silent connection is kept, seconds; the client has had enough before.
SILENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request."""

    at: float  #: Unix time
    answered: float  #: when its answer is due
    to: str  #: the destination's name
    event: str
    taken: bool  #: the answer says that the destination has it
    retry_after_s: float = 0.0


class Server:
    """Any number of destinations on one port, one on each path."""

    def __init__(self, record: TextIO) -> None:
        self._record = record
        self._seen: Counter[tuple[str, str]] = Counter()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a reply to every request until either side has enough."""
        try:
            while request := await read_request(reader):
                if not await self._answer(self._note(request), reader, writer):
                    break
        except (ConnectionError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # the client went away, or did not speak HTTP
        finally:
            writer.close()

    def _note(self, request: Request) -> Step:
        """Write the request down; the step that answers it."""
        at, name = time.time(), request.path.strip("/")
        event: dict[str, Any] = json.loads(request.body)
        key = name, str(event.get("messageId"))
        self._seen[key] += 1
        step = script.step(cast.scripts_of(event).get(name) or (200,), self._seen[key])
        arrival = Arrival(at, at + script.after_s(step), *key, script.takes(step), script.retry_after_s(step))
        self._record.write(json.dumps(asdict(arrival)) + "\n")
        return step

    async def _answer(self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        await asyncio.sleep(script.after_s(step))
        reply = script.reply(step)
        writer.write(reply.wire)
        await writer.drain()
        if reply.then is Then.RESET:
            reset(writer.transport)
        if reply.then is Then.SILENCE:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), SILENCE_S)
        return reply.then is Then.KEEP


def arrivals(record: Path) -> list[Arrival]:
    """What was written down, in order; a line that is being written is left out."""
    lines = record.read_text().splitlines(keepends=True) if record.exists() else []
    return [Arrival(**json.loads(line)) for line in lines if line.endswith("\n")]


async def serve(port: int, record: Path) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with record.open("a", buffering=1) as lines:
        await asyncio.start_server(
            Server(lines).converse, ports.LOOPBACK, port, backlog=1024, limit=LONGEST_HEAD
        )
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="The destination server of `distributary verify`.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True, help="file that requests are written to")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.record))


if __name__ == "__main__":
    main()
