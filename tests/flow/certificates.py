"""Certificates for servers on loopback, good ones and bad ones of every kind, made anew for each run."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key."""

    x509: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(serialization.Encoding.PEM)

    def server(self) -> ssl.SSLContext:
        """What a server that shows this certificate needs."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(key + self.pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context


def certificate(
    *names: str,
    issuer: Certificate | None = None,
    authority: bool = False,
    valid_days: tuple[int, int] = (-30, 30),
    subject_name: str = "",
) -> Certificate:
    """A certificate for these names and addresses; signed by itself where there is no issuer.

    Args:
        names: subject alternative names.
        issuer: who signs it.
        authority: it may sign others.
        valid_days: first and last day, counted from today.
        subject_name: its own name; a new one where none is given.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    subject = _subject(subject_name or f"{'authority' if authority else names[0]} {serial:x}"[:64])
    first, last = (datetime.now(UTC) + timedelta(days=day) for day in valid_days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.x509.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([*map(_name, names)]), critical=False)
    return Certificate(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
