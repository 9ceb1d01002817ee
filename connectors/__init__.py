"""The destinations Distributary can deliver to: one file each, found by its name::

    bound = connectors.load("webhook").bind({"url": "https://example.com/hook"})
    request = bound.request([bound.item(event)], key="evt-1_crm-hook", now=time.time())

Nothing here does I/O: others send the request, and ask ``bound.outcomes(answer, 1)`` what the answer means.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from connectors.base import Connector


class UnknownConnector(LookupError):
    """There is no connector of this name; the text lists those there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no connector {name!r}; there are: {', '.join(available())}")


def load(name: str) -> Connector:
    """The connector of connectors/<name>.py, or UnknownConnector."""
    connector = _find(name) if re.fullmatch(r"[a-z][a-z0-9_]*", name) else None
    if connector is None:
        raise UnknownConnector(name)
    return connector


def available() -> list[str]:
    """The names of all connectors: the files of this folder that define CONNECTOR."""
    return sorted(module.name for module in iter_modules(__path__) if _find(module.name))


def _find(name: str) -> Connector | None:
    path = f"{__name__}.{name}"
    if find_spec(path) is None:
        return None
    connector = getattr(import_module(path), "CONNECTOR", None)
    return connector if isinstance(connector, Connector) else None
