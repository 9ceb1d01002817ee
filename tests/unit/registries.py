"""A schema registry on loopback, and ways for it to misbehave."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]


class FakeRegistry:
    """What a registry knows, and who asked it what."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {"GET /schemas/types": (200, b'["AVRO"]')}
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.users: list[str | None] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, schema_id: int, schema: str, **more: Any) -> None:
        self.say(f"GET /schemas/ids/{schema_id}", {"schema": schema, **more})

    def put_version(self, subject: str, version: int, schema: str, **more: Any) -> None:
        self.say(f"GET /subjects/{subject}/versions/{version}", {"schema": schema, **more})

    def say(self, request: str, answer: object, status: int = 200) -> None:
        self.answers[request] = status, json.dumps(answer).encode()

    def answer(self, request: str, user: str | None, body: bytes) -> Answer:
        self.asked.append(request)
        self.users.append(base64.b64decode(user.removeprefix("Basic ")).decode() if user else None)
        self.bodies.append(body)
        self.before_answer()
        missing = {"error_code": 40403, "message": "Schema not found"}
        return self.answers.get(request, (404, json.dumps(missing).encode()))


@contextmanager
def serving() -> Iterator[FakeRegistry]:
    """A registry that answers until the block ends."""
    fake = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            user = self.headers.get("Authorization")
            status, content = fake.answer(f"{self.command} {self.path}", user, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that did not wait for its answer is what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def slowly(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)
