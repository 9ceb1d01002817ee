"""The destination server of `distributary verify`: answers by script, and writes down what it was sent.

A process of its own, so that it measures workers and nothing else::

    python -m streams.verify.destination --plain 8080 --closing 8081 --record arrivals.jsonl

Every request is one line of JSON in the record, written when it has arrived, before it is answered: a
worker that is killed meanwhile has sent it all the same. Measured with one worker's client on loopback: 25 us
of processor time for a request, all included, and 25 MB of memory.

It has up to three ports (`cast.Port`), and is told things by ``POST /.control``:

    {"port": "closing", "open": false}            hang up, and refuse connections; true: be there again
    {"port": "tls", "certificate": "expired"}     hang up, and show this certificate from now on
    {"answers": {"failing": 503}}                 answer everybody so; null: by script again
"""

import argparse
import asyncio
import functools
import signal
import socket
import ssl
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from streams.demo import misbehave, ports
from streams.demo.misbehave import Reply
from streams.verify import cast, replies, script
from streams.verify.cast import Port
from streams.verify.conversation import Conversation
from streams.verify.script import Step

CONTROL = ".control"
#: The certificate that is shown at first, by its file's name.
GOOD = "good"


class Arrival(NamedTuple):
    """One request."""

    at: float  #: Unix time
    answered: float  #: when its answer is due
    to: str  #: the destination's name
    event: str
    taken: bool  #: the answer says that the destination has it
    retry_after_s: float = 0.0


class Arrivals:
    """Reads the record, again and again, each time from where it was."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._position = 0
        self._known: list[Arrival] = []

    def read(self) -> list[Arrival]:
        """All that was written down so far, in order: always the same list, which grows."""
        if self._record.exists():
            with self._record.open("rb") as file:
                file.seek(self._position)
                whole, newline, _begun = file.read().rpartition(b"\n")
            self._position += len(whole) + len(newline)
            self._known += [Arrival(*orjson.loads(line)) for line in whole.splitlines()]
        return self._known


class Server:
    """Any number of destinations, one on each path."""

    def __init__(self, record: FileIO, numbers: Mapping[Port, int], certificates: Path | None) -> None:
        self._record = record
        self._numbers = numbers
        self._contexts = _contexts(certificates) if certificates else {}
        #: How often an event has come, where its script has more than one step; by hash, for there are many.
        self._seen: dict[int, int] = {}
        self._answers: dict[str, Step] = {}
        self._open: dict[Port, set[Conversation]] = {port: set() for port in numbers}
        self._serving: dict[Port, asyncio.Future[asyncio.Server]] = {}

    def listen(self, port: Port, certificate: str = GOOD) -> None:
        """When it returns nobody is refused any more; the first turn of the event loop accepts them."""
        listening = socket.create_server((ports.LOOPBACK, self._numbers[port]), backlog=1024)
        converse = functools.partial(Conversation, self.answer, self._open[port])
        tls = self._contexts[certificate] if port is Port.TLS else None
        self._serving[port] = asyncio.ensure_future(
            asyncio.get_running_loop().create_server(converse, sock=listening, ssl=tls)
        )

    def answer(self, path: str, body: bytes) -> tuple[Reply, float]:
        """The answer to a request, and the seconds until it begins. The request is written down."""
        name = path.strip("/")
        if name == CONTROL:
            self._control(orjson.loads(body))
            return misbehave.http(204), 0.0
        at, event = time.time(), orjson.loads(body)
        step = self._step(name, event)
        after_s = script.after_s(step)
        wait_s = script.retry_after_s(step, at + after_s)
        arrival = Arrival(at, at + after_s, name, str(event.get("messageId")), script.takes(step), wait_s)
        self._record.write(orjson.dumps(tuple(arrival), option=orjson.OPT_APPEND_NEWLINE))
        return script.reply(step, at + after_s), after_s

    def _step(self, name: str, event: Mapping[str, Any]) -> Step:
        if name in self._answers:
            return self._answers[name]
        steps = cast.scripts_of(event).get(name) or script.UNSAID
        if len(steps) == 1:
            return steps[0]
        key = hash((name, event.get("messageId")))
        self._seen[key] = arrival = self._seen.get(key, 0) + 1
        return script.step(steps, arrival)

    def _control(self, told: Mapping[str, Any]) -> None:
        self._answers.update(told.get("answers", {}))
        self._answers = {name: step for name, step in self._answers.items() if step is not None}
        if "port" in told:
            port = Port(told["port"])
            self._hang_up(port)
            if told.get("open", True):
                self.listen(port, told.get("certificate", GOOD))

    def _hang_up(self, port: Port) -> None:
        if serving := self._serving.pop(port, None):
            serving.result().close()
        for conversation in list(self._open[port]):
            conversation.hang_up()


def _contexts(certificates: Path) -> dict[str, ssl.SSLContext]:
    """A TLS server's context for each certificate of a folder."""
    found = {}
    for file in certificates.glob("*.pem"):
        found[file.stem] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
    return found


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    numbers = {port: number for port in Port if (number := getattr(options, port))}
    with FileIO(options.record, "a") as record:  # not buffered: a request that is answered is on record
        replies.named("gzip-bomb")  # now, and not while somebody waits for it
        server = Server(record, numbers, options.certificates)
        for port in numbers:
            server.listen(port)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="The destination server of `distributary verify`.")
    for port in Port:
        parser.add_argument(f"--{port}", type=int, default=0, help="a port to listen on")
    parser.add_argument("--certificates", type=Path, help="folder of the TLS port's: NAME.pem, with the key")
    parser.add_argument("--record", type=Path, required=True, help="file that requests are written to")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
