"""Faust agents that post with one httpx client."""

import sys
from functools import cache

import httpx

from bench.systems import stock_faust

JSON = {"content-type": "application/json"}


@cache
def client(_url: str) -> httpx.AsyncClient:
    """One pool per destination: httpx's cost per request grows with the connections of the pool. Its limits
    are off, because the agents' concurrency is the limit."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(limits=limits, timeout=stock_faust.TIMEOUT_S, headers=JSON, trust_env=False)


async def post(url: str, body: bytes) -> int:
    try:
        return (await client(url).post(url, content=body)).status_code
    except httpx.HTTPError as error:
        sys.stderr.write(f"{url}: {error!r}\n")
        return 0


if __name__ == "__main__":
    stock_faust.work(post)
