"""Can a destination be reached at all: its name resolved, its address allowed, a connection made."""

import asyncio
import errno
from urllib.parse import urlsplit

from streams.http import addresses
from streams.http.faults import Fault


async def look(url: str, allow_private: bool, timeout_s: float) -> tuple[bool, str]:
    """Whether the host of a URL takes connections, and what was found; nothing is sent."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = await addresses.find(host, allow_private)
    if isinstance(found, Fault):
        return False, f"{host}: {found.error}"
    where = f"{host}:{port} at {found[0]}"
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(str(found[0]), port)
    except OSError as error:
        return False, f"{where}: {errno.errorcode.get(error.errno or 0, 'ETIMEDOUT')}"
    writer.close()
    return True, where
