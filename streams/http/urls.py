"""URLs as browsers read them (WHATWG), taken apart into what a request needs of them."""

import base64
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from ada_url import URL

from streams.http.faults import Fault

_PORTS = {"http:": 80, "https:": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    tls: bool
    #: Lower case, punycode, `0x7f.1` already 127.0.0.1; IPv6 in brackets.
    host: str
    port: int
    #: What follows the method in a request: path and query, the version, and the headers of the URL's own.
    rest: str


@lru_cache(maxsize=1024)  # most destinations have one URL
def parse(text: str) -> Target | Fault:
    """Where a URL leads; credentials in it become the header that they stand for."""
    try:
        url = URL(text)
    except ValueError:
        return Fault("ERR_INVALID_URL")
    if url.protocol not in _PORTS or not url.hostname:
        return Fault("ERR_INVALID_URL")
    port = int(url.port) if url.port else _PORTS[url.protocol]
    rest = f" {url.pathname}{url.search} HTTP/1.1\r\nhost: {url.host}\r\naccept: */*\r\n"
    if url.username or url.password:
        credentials = unquote_to_bytes(f"{url.username}:{url.password}")
        rest += f"authorization: Basic {base64.b64encode(credentials).decode()}\r\n"
    return Target(url.protocol == "https:", url.hostname, port, rest)
