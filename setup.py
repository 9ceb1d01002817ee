"""Compiles the way of an event to machine code, where that is asked for; pyproject.toml says all the rest.

    DISTRIBUTARY_COMPILE=1 pip wheel --no-deps --no-build-isolation .

mypyc compiles the very same files, by their types; whoever doesn't ask for it runs them as they are. Building
needs mypy, what we import (for its types) and a C compiler; running what was built needs none of them.
"""

import os

from setuptools import Extension, setup

#: What every event goes through. The rest runs now and then, or its classes are overridden elsewhere.
COMPILED = (
    "connectors/answers", "connectors/base", "connectors/mapping", "streams/attempts", "streams/backlog",
    "streams/bulk", "streams/codec", "streams/copies", "streams/decoding/event", "streams/decoding/flat",
    "streams/deliver", "streams/destinations", "streams/dispatch", "streams/express", "streams/flight",
    "streams/header_values", "streams/headers", "streams/health", "streams/histogram",
    "streams/http/connection", "streams/http/pool", "streams/http/waiting", "streams/http/watch",
    "streams/http/wire", "streams/inflow", "streams/letters", "streams/lines", "streams/packing",
    "streams/produce", "streams/producer", "streams/records", "streams/request", "streams/retry",
    "streams/route", "streams/scan", "streams/settle", "streams/settling", "streams/slots",
)  # fmt: skip
MYPY = ("--config-file=pyproject.toml", "--explicit-package-bases", "--follow-imports=silent")


def extensions() -> list[Extension]:
    """One per module, if they are asked for."""
    if os.environ.get("DISTRIBUTARY_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    files = [f"{module}.py" for module in COMPILED]
    return mypycify([*MYPY, "--no-warn-unused-ignores", *files], opt_level="3", debug_level="0")


setup(ext_modules=extensions())
