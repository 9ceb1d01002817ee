"""One HTTP request to a destination, and how it ended: always an Answer, never an exception.

    client = Client(timeout_s=10)                   # one per destination
    answer = await client.send(Request("POST", "https://example.com/hook", {}, b"{}"))

The HTTP client of the hot path is pyreqwest. Only this file, `faults` (its exceptions) and `hosts` (its
clients) know it; `addresses` and `certificates` do what it cannot. What it does that a reader would not
expect, seen with 0.15.1:

- Cancelling a request does not stop it. The timeout does, so there always is one, and a request that
  was cancelled or outlived `close` may still arrive.
- A response is handed over when the first 64 KiB of its body are there, or all of it, unless the
  buffer limit is 0. With any other limit a status that came before a slow body would be lost. That
  costs a quarter of the requests per CPU-second.
- A request is sent again by itself only if its pooled connection had closed before a byte of it was
  written. What was written is never sent twice: a close or reset then is ECONNRESET, and ambiguous.
"""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pyreqwest import client as pyreqwest
from pyreqwest import exceptions
from pyreqwest.http import HeaderMap, Url
from pyreqwest.response import Response, ResponseBodyReader

from connectors.answers import UNKNOWN, Answer
from connectors.base import Request
from streams.http import certificates, faults
from streams.http.faults import Fault
from streams.http.hosts import Host, Hosts

log = logging.getLogger(__name__)

MOST_HEADERS = 64
LONGEST_HEADER = 1024
#: Idle connections are closed by us before the far end does it: Node.js and uvicorn do after 5 s. A
#: request that meets the far end's close on its way is an ambiguous failure.
IDLE_S = 4
#: Addresses of one name that one attempt tries to connect to.
MOST_ADDRESSES = 3


class Reply(NamedTuple):
    """What a destination said."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Sends the requests of one destination. Never makes one wait for another.

    Args:
        timeout_s: from the call of `send` to the end of the body's head, everything included.
        connect_timeout_s: TCP and TLS, per address; at most nine tenths of `timeout_s`, so that a
            connection that cannot be made is told from an answer that does not come.
        in_flight: how many requests the caller makes at a time; that many idle connections are kept.
        allow_private: addresses of our own network are fine too.
        ca_file: a PEM bundle of authorities to trust besides the system's.
        body_limit: bytes of an answer's body to read.

    Raises:
        OSError: the CA file cannot be read.
        ValueError: it holds no certificate, or the system has no authorities (ca-certificates).
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10,
        connect_timeout_s: float = 5,
        in_flight: int = 50,
        allow_private: bool = False,
        ca_file: str | None = None,
        body_limit: int = 4096,
    ) -> None:
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(connect_timeout_s, 0.9 * timeout_s)
        self._in_flight = in_flight
        self._authorities = _certificates(ca_file) if ca_file else None
        self._body_limit = body_limit
        self._hosts = Hosts(self._builder, allow_private)
        self._closed = False
        try:
            self._builder().build()  # what is wrong here fails now, not at the first event
        except exceptions.BuilderError as error:
            raise ValueError(f"no HTTPS with these certificates: {faults.root(error)}") from None

    async def send(self, request: Request) -> Answer:
        """Send one request and wait for its end, `timeout_s` at most.

        Raises:
            CancelledError: the caller was cancelled. The request may go on until its timeout.
        """
        started = time.monotonic()
        try:
            end = await self._exchange(request, started + self._timeout_s)
        except Exception as error:
            # A name only: the text may quote the URL or a header.
            log.error("request.unforeseen exception=%s", type(error).__name__)
            end = Fault(UNKNOWN, sent=True)
        elapsed_ms = round((time.monotonic() - started) * 1000)
        if isinstance(end, Fault):
            return Answer(error=end.error, sent=end.sent, elapsed_ms=elapsed_ms)
        return Answer(*end, sent=True, elapsed_ms=elapsed_ms)

    async def close(self) -> None:
        """Close what is idle and give up what is in flight; further requests are ECONNABORTED."""
        self._closed = True
        await self._hosts.close()

    async def _exchange(self, request: Request, deadline: float) -> Reply | Fault:
        url = _parse(request.url)
        if isinstance(url, Fault):
            return url
        host = faults.CLOSED if self._closed else await self._hosts.find(url.host_str or "", deadline)
        if isinstance(host, Fault):
            return host
        end = await self._try_addresses(host, request, url, deadline)
        if end == faults.UNVERIFIED:
            return Fault(await _distrust(host, url, deadline))
        return end

    async def _try_addresses(self, host: Host, request: Request, url: Url, deadline: float) -> Reply | Fault:
        """Ask one address; ask the next one too if it is certain that nothing was sent to the first."""
        for _ in range(min(len(host.addresses), MOST_ADDRESSES)):
            address = host.address
            end = await self._ask(host.client, request, url, deadline)
            if not (isinstance(end, Fault) and end.unreachable):
                break
            host.leave(address)
            if deadline - time.monotonic() <= self._connect_timeout_s:
                break
        return end

    async def _ask(
        self, client: pyreqwest.Client, request: Request, url: Url, deadline: float
    ) -> Reply | Fault:
        left = timedelta(seconds=max(deadline - time.monotonic(), 0.001))
        try:
            asking = (
                client.request(request.method, url)
                .headers(request.headers)
                .body_bytes(request.body)
                .timeout(left)
                .streamed_read_buffer_limit(0)
                .build_streamed()
            )
        except (ValueError, TypeError):
            return Fault("ERR_INVALID_CHAR")
        try:
            async with asking as response:
                return await self._read(response)
        except exceptions.PyreqwestError as error:
            return faults.of_request(error)

    async def _read(self, response: Response) -> Reply | Fault:
        if not 100 <= response.status <= 599:
            return Fault("HPE_INVALID_STATUS", sent=True)
        headers = _bounded(response.headers)
        length = self._body_limit
        declared = headers.get("content-length", "")
        if declared.isdecimal():  # "2, 2" is allowed, too
            length = min(length, int(declared))  # saves waiting for the end
        return Reply(response.status, headers, await _head(response.body_reader, length))

    def _builder(self) -> pyreqwest.ClientBuilder:
        builder = (
            pyreqwest.ClientBuilder()
            .connect_timeout(timedelta(seconds=self._connect_timeout_s))
            .pool_idle_timeout(timedelta(seconds=IDLE_S))
            .pool_max_idle_per_host(self._in_flight)
            .follow_redirects(False)
            .no_proxy()
            .referer(False)
            .user_agent("Distributary")
        )
        # Nothing is decoded: a bomb stays as small as it came, and nobody is invited to compress.
        builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)
        return builder.add_root_certificate_pem(self._authorities) if self._authorities else builder


async def _head(body: ResponseBodyReader, length: int) -> bytes:
    """The beginning of a body, as it was sent; what there is of it, if it is late, broken or cut."""
    head = bytearray()
    with suppress(exceptions.PyreqwestError):
        while len(head) < length and (chunk := await body.read_chunk()) is not None:
            head += chunk
    return bytes(head[:length])


def _certificates(path: str) -> bytes:
    pem = Path(path).read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in pem:  # pyreqwest would take it, and trust nobody more
        raise ValueError(f"{path}: there is no certificate in it")
    return pem


@lru_cache(maxsize=1024)  # most destinations have one URL
def _parse(text: str) -> Url | Fault:
    try:
        url = Url(text)
    except ValueError:
        return Fault("ERR_INVALID_URL")
    return url if url.scheme in ("http", "https") else Fault("ERR_INVALID_URL")


def _bounded(headers: HeaderMap) -> dict[str, str]:
    """Lower-case names and their first values, so many and so long; none that is not ASCII."""
    try:
        values = headers.dict_multi_value()
    except ValueError:
        values = dict(_readable(headers))
    return {
        name: (value if isinstance(value, str) else value[0])[:LONGEST_HEADER]
        for name, value in islice(values.items(), MOST_HEADERS)
        if len(name) <= LONGEST_HEADER
    }


def _readable(headers: HeaderMap) -> list[tuple[str, str]]:
    readable = []
    for name in headers:
        with suppress(ValueError):
            readable.append((name, headers[name]))
    return readable


async def _distrust(host: Host, url: Url, deadline: float) -> str:
    """Why the certificate is not trusted; asked once per resolution of the name, not per event."""
    port = url.port_or_known_default or 443
    verdict = host.verdicts.get(port)
    if verdict is None:
        left = max(deadline - time.monotonic(), 0.001)
        name = host.name.strip("[]")
        verdict = await certificates.name_distrust(str(host.address), port, name, left)
        host.verdicts[port] = verdict
    return verdict
