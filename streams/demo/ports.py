"""Ports on the loopback: free ones, answered ones, and one that refuses."""

import contextlib
import random
import socket

LOOPBACK = "127.0.0.1"


#: Ports this process has been given: whoever they are for may bind them much later.
_given: set[int] = set()


def free() -> int:
    """A free port that nobody here was given before, below those the system uses for outgoing connections.

    A client that retries while a server is down could be given the server's own port as its source,
    connect to itself, and keep the server from ever binding it again.
    """
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            if port not in _given:
                _given.add(port)
                return port


def refusing() -> socket.socket:
    """A socket whose port refuses connections for as long as it is open: bound, so that nobody else
    gets the port, and never listening."""
    held = socket.socket()
    held.bind((LOOPBACK, free()))
    return held


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
