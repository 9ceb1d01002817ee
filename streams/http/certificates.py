"""Why a certificate was not trusted, where rustls does not say: self-signed, or signed by a stranger."""

import asyncio
import ssl

#: OpenSSL's X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT.
_SELF_SIGNED = 18


async def name_distrust(address: str, port: int, host: str, timeout_s: float) -> str:
    """The fault of a certificate that could not be verified, found with one more handshake.

    Nothing is sent over that connection. It trusts nobody, so its handshake always fails, and OpenSSL
    then says by number what it thought of the certificate.
    """
    distrust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    distrust.check_hostname = False
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port, ssl=distrust, server_hostname=host)
            writer.close()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _SELF_SIGNED:
            return "DEPTH_ZERO_SELF_SIGNED_CERT"
    except (OSError, ValueError):  # TimeoutError is an OSError; a ValueError dislikes the host name
        pass
    return "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
