"""TLS that fails, in every way that has a name of its own. On real sockets, with certificates made here."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from connectors.answers import Answer, Outcome, outcome_of
from streams.request import Client
from tests.flow import sockets
from tests.flow.certificates import Certificate, certificate
from tests.flow.sockets import Line, Peer, Script, post, serving

AUTHORITY = certificate(authority=True, subject_name="Authority")
NAMESAKE = certificate(authority=True, subject_name="Authority")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(timeout_s=5, allow_private=True)
    yield client
    await client.close()


@pytest.fixture
async def trusting(tmp_path: Path) -> AsyncIterator[Client]:
    """A client that trusts AUTHORITY, from a bundle in which it is not the first."""
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(certificate(authority=True).pem + AUTHORITY.pem)
    client = Client(timeout_s=5, allow_private=True, ca_file=str(bundle))
    yield client
    await client.close()


def assert_retried(answer: Answer, error: str) -> None:
    assert (answer.error, answer.sent, answer.status) == (error, False, None)
    assert outcome_of(answer) is Outcome.RETRY
    assert not answer.ambiguous


def assert_rejected(answer: Answer, error: str) -> None:
    assert (answer.error, answer.sent, answer.status) == (error, False, None)
    assert outcome_of(answer) is Outcome.REJECTED


async def test_a_handshake_stalls() -> None:
    client = Client(timeout_s=2, connect_timeout_s=0.2, allow_private=True)
    async with serving(sockets.hangs) as peer:
        peer.scheme = "https"
        assert_retried(await client.send(post(peer)), "ETIMEDOUT")
    await client.close()


async def hangs_up(line: Line) -> None:
    await line.reader.read(16)


async def hangs_up_politely(line: Line) -> None:
    while not line.reader.at_eof() and len(await line.reader.read(65536)) == 65536:
        pass


async def resets_the_handshake(line: Line) -> None:
    await line.reader.read(16)
    line.reset()


@pytest.mark.parametrize("script", [hangs_up, hangs_up_politely, resets_the_handshake])
async def test_a_handshake_is_cut_off(client: Client, script: Script) -> None:
    async with serving(script) as peer:
        peer.scheme = "https"
        assert_retried(await client.send(post(peer)), "ECONNRESET")


async def speaks_http(line: Line) -> None:
    await line.reader.read(16)
    await line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await sockets.hangs(line)


async def speaks_ssh(line: Line) -> None:
    await line.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    await sockets.hangs(line)


@pytest.mark.parametrize("script", [speaks_http, speaks_ssh])
async def test_tls_is_not_spoken(client: Client, script: Script) -> None:
    async with serving(script) as peer:
        peer.scheme = "https"
        assert_rejected(await client.send(post(peer)), "EPROTO")


async def test_no_common_version_of_tls_is_spoken(trusting: Client) -> None:
    async def alerts(line: Line) -> None:
        await line.reader.read(16)
        await line.send(b"\x15\x03\x01\x00\x02\x02\x46")  # fatal alert 70: protocol_version
        await sockets.hangs(line)

    async with serving(alerts) as peer:
        peer.scheme = "https"
        assert_rejected(await trusting.send(post(peer)), "EPROTO")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_certificate_of_a_trusted_authority_is_fine(trusting: Client, name: str) -> None:
    async with serving(sockets.accepts, certificate(name, issuer=AUTHORITY).server()) as peer:
        peer.host = name
        assert (await trusting.send(post(peer))).status == 200


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: certificate("127.0.0.1", issuer=AUTHORITY, valid_days=(-9, -2)), "CERT_HAS_EXPIRED"),
        (lambda: certificate("127.0.0.1", issuer=AUTHORITY, valid_days=(2, 9)), "CERT_NOT_YET_VALID"),
        (lambda: certificate("other.example", issuer=AUTHORITY), "ERR_TLS_CERT_ALTNAME_INVALID"),
        (lambda: certificate("127.0.0.1"), "DEPTH_ZERO_SELF_SIGNED_CERT"),
        # What `openssl req -x509` makes.
        (lambda: certificate("127.0.0.1", authority=True), "DEPTH_ZERO_SELF_SIGNED_CERT"),
        (
            lambda: certificate("127.0.0.1", issuer=certificate(authority=True)),
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        ),
        # Of one that bears the name of an authority we trust.
        (lambda: certificate("127.0.0.1", issuer=NAMESAKE), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        # Of an authority we trust, through another that the server forgot to show.
        (
            lambda: certificate("127.0.0.1", issuer=certificate(issuer=AUTHORITY, authority=True)),
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        ),
    ],
)
async def test_a_certificate_is_not_trusted(
    trusting: Client, make: Callable[[], Certificate], error: str
) -> None:
    async with serving(sockets.accepts, make().server()) as peer:
        assert_rejected(await trusting.send(post(peer)), error)
        assert_rejected(await trusting.send(post(peer)), error)
    assert peer.requests == []


async def test_a_certificate_of_ours_is_wanted(trusting: Client) -> None:
    context = certificate("127.0.0.1", issuer=AUTHORITY).server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=AUTHORITY.pem.decode())

    # asyncio's own server closes before its alert is out: this one waits.
    def shake_hands(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        with context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as tls:
            with suppress(ssl.SSLError):
                tls.do_handshake()
            time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        shaking = asyncio.create_task(asyncio.to_thread(shake_hands, listening))
        answer = await trusting.send(post(Peer(scheme="https", port=listening.getsockname()[1])))
        await shaking
    # TLS 1.3: the client has sent its request by then.
    assert (answer.error, answer.sent, outcome_of(answer)) == ("EPROTO", True, Outcome.REJECTED)


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_ca_file_that_is_none_is_refused_at_once(tmp_path: Path, content: str) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(content)
    with pytest.raises(ValueError):
        Client(ca_file=str(bundle))


def test_a_ca_file_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        Client(ca_file=str(tmp_path / "missing.pem"))
