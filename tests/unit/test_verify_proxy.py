"""The network of `distributary verify`: it passes, loses, cuts, slows down, and heals."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from streams.demo import ports
from streams.verify.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1024):
            self.request.sendall(data)


class Broker(socketserver.ThreadingTCPServer):
    """Answers with what it was sent."""

    daemon_threads = True
    block_on_close = False


@pytest.fixture
def network() -> Iterator[Proxy]:
    with Broker((ports.LOOPBACK, 0), Echo) as broker:
        threading.Thread(target=broker.serve_forever, daemon=True).start()
        proxy = Proxy(ports.free(), broker.server_address[1])
        proxy.start()
        yield proxy
        proxy.close()
        broker.shutdown()


@pytest.fixture
def worker(network: Proxy) -> Iterator[socket.socket]:
    with connected(network) as connection:
        yield connection


def connected(network: Proxy) -> socket.socket:
    return socket.create_connection((ports.LOOPBACK, network._port), timeout=5)


def asks(worker: socket.socket, what: bytes = b"who leads?") -> bytes:
    worker.sendall(what)
    return worker.recv(1024)


def test_it_passes_what_both_say(worker: socket.socket) -> None:
    assert asks(worker, b"a") == b"a"
    assert asks(worker, b"b") == b"b"


def test_what_is_lost_is_silence_and_comes_when_the_network_is_back(
    network: Proxy, worker: socket.socket
) -> None:
    assert asks(worker)
    network.lose()
    worker.settimeout(0.2)
    with pytest.raises(TimeoutError):
        asks(worker)

    network.heal()
    worker.settimeout(5)
    assert worker.recv(1024) == b"who leads?"


def test_a_connection_that_is_begun_while_all_is_lost_says_nothing_either(network: Proxy) -> None:
    network.lose()
    with connected(network) as worker:
        worker.settimeout(0.2)
        with pytest.raises(TimeoutError):
            asks(worker)
        network.heal()
        worker.settimeout(5)
        assert worker.recv(1024) == b"who leads?"


def test_a_cut_is_a_reset_and_new_connections_pass(network: Proxy, worker: socket.socket) -> None:
    assert asks(worker)
    assert network.cut() == 1
    with pytest.raises(ConnectionResetError):
        worker.recv(1024)
    with connected(network) as another:
        assert asks(another) == b"who leads?"


def test_a_slow_link_takes_its_time_each_way(network: Proxy, worker: socket.socket) -> None:
    network.slow(0.1)
    began = time.monotonic()
    assert asks(worker)
    assert time.monotonic() - began >= 0.2
