"""Whom a destination's certificate is trusted by: the system's authorities, Mozilla's, and our own."""

import ssl
from functools import lru_cache
from pathlib import Path

import certifi


@lru_cache(maxsize=64)  # a context holds every authority: half a megabyte that destinations can share
def trust(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the authorities of `ca_file`, too.

    Raises:
        OSError: the file can't be read.
        ValueError: it holds no certificates.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())  # an image without ca-certificates has none of its own
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        pem = Path(ca_file).read_text(errors="replace")
        if "-----BEGIN CERTIFICATE-----" not in pem:
            raise ValueError(f"{ca_file}: there is no certificate in it")
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"no HTTPS with these certificates: {error}") from None
    return context
