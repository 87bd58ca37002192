# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of the tests, and the certificate of this machine below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cleanroom.cli.demo.throwaway_tls import throwaway_authority
from cleanroom.kernel.clock import system_clock
from cleanroom.server.certificate import CertificateFiles


@dataclass(frozen=True, kw_only=True)
class HostCertificate:
    """Certificate files of this machine, and who vouches for them."""

    files: CertificateFiles
    authorities: str


def host_certificate(directory: Path) -> HostCertificate:
    """Write a certificate for ``127.0.0.1`` and its key, below an authority of its own."""
    # TLS looks at the machine's clock.
    authority = throwaway_authority(at=system_clock())
    return HostCertificate(
        files=authority.certify(directory), authorities=authority.pem.decode("ascii")
    )
