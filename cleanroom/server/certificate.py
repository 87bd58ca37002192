# SPDX-License-Identifier: Apache-2.0
"""TLS for a broker's socket, from a certificate file and a key file.

TLS keeps documents from being read on the way; nothing is believed because of it.
Both files are read at the start: renew them, then start the broker again.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cleanroom.errors import MalformedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass

MAX_CERTIFICATE_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where the certificate of a broker's host lies.

    Attributes:
        chain: PEM, the host's own certificate first.
        key: PEM, its private key, not encrypted and closed to others.
    """

    chain: Path
    key: Path


def open_certificate(files: CertificateFiles) -> ssl.SSLContext:
    """Return what a socket needs to speak TLS 1.3.

    Raises:
        UnavailableError: A file is missing.
        RefusedError: The key file is open to others.
        MalformedError: Not a certificate and its unencrypted key.
    """
    read_limited(files.chain, what=files.chain.name, limit=MAX_CERTIFICATE_BYTES)
    read_private_file(files.key, limit=MAX_CERTIFICATE_BYTES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Every caller is this product or a proxy of today; nothing older needs to be spoken.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # An empty passphrase: without one, an encrypted key would ask on the terminal.
        context.load_cert_chain(files.chain, files.key, password="")
    except (ssl.SSLError, ValueError):
        raise MalformedError(
            f"{files.chain.name}: not a certificate with the key in {files.key.name}",
            code="broker.certificate",
            hint="give PEM files: the whole chain, and its private key without a passphrase",
        ) from None
    return context
