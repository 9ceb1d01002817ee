"""Faust agents that post with one aiohttp session."""

import sys
from functools import cache

import aiohttp

from bench.systems import stock_faust

JSON = {"content-type": "application/json"}


@cache
def session() -> aiohttp.ClientSession:
    """One pool for all, made in the event loop; its limit is off: the agents' concurrency is the limit."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=stock_faust.TIMEOUT_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, headers=JSON)


async def post(url: str, body: bytes) -> int:
    try:
        async with session().post(url, data=body) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        sys.stderr.write(f"{url}: {error!r}\n")
        return 0


if __name__ == "__main__":
    stock_faust.work(post)
