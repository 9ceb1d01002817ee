"""Certificates for the TLS port of a verification: a good one, and bad ones by what is wrong with them.

Made anew for each run, by an authority that only the run's workers trust.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from streams.demo import ports

Key = ec.EllipticCurvePrivateKey

#: What is wrong -> what a worker calls it.
BAD: Mapping[str, str] = {
    "expired": "CERT_HAS_EXPIRED",
    "not-yet": "CERT_NOT_YET_VALID",
    "wrong-name": "ERR_TLS_CERT_ALTNAME_INVALID",
    "self-signed": "DEPTH_ZERO_SELF_SIGNED_CERT",
}


def write(folder: Path) -> Path:
    """Write every certificate with its key (NAME.pem); returns that of the authority to trust."""
    folder.mkdir()
    authority, day = ec.generate_private_key(ec.SECP256R1()), timedelta(days=1)
    good = x509.IPAddress(ip_address(ports.LOOPBACK))
    _write(folder / "good.pem", good, authority)
    _write(folder / "expired.pem", good, authority, first=-3 * day, last=-day)
    _write(folder / "not-yet.pem", good, authority, first=day, last=3 * day)
    _write(folder / "wrong-name.pem", x509.DNSName("elsewhere.example"), authority)
    _write(folder / "self-signed.pem", good, None)
    trusted = folder / "authority.crt"
    trusted.write_bytes(_pem(_certificate(None, authority.public_key(), authority, -day, day)))
    return trusted


def _write(
    file: Path,
    name: x509.GeneralName,
    authority: Key | None,
    first: timedelta = timedelta(days=-1),
    last: timedelta = timedelta(days=1),
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(name, key.public_key(), authority or key, first, last, own=authority is None)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + _pem(made))


def _certificate(
    name: x509.GeneralName | None,
    key: ec.EllipticCurvePublicKey,
    signer: Key,
    first: timedelta,
    last: timedelta,
    own: bool = False,
) -> x509.Certificate:
    """A certificate, valid from `first` to `last` from now; of the authority itself without a name."""
    issuer = _subject("itself" if own else "authority")
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(issuer if own or name is None else _subject("destination"))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + first)
        .not_valid_after(now + last)
        .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
    )
    if name is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"distributary verify: {name}")])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
