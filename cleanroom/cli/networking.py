# SPDX-License-Identifier: Apache-2.0
"""How a person says where a broker listens for other machines."""

from __future__ import annotations

from pathlib import Path

import click

from cleanroom.server.certificate import CertificateFiles
from cleanroom.server.doors import Network


def read_network(
    listen: str | None, certificate: Path | None, certificate_key: Path | None
) -> Network | None:
    """Put the three options together; none of them means this machine alone.

    Raises:
        click.UsageError: One was given without another that it needs.
    """
    if (certificate is None) != (certificate_key is None):
        raise click.UsageError("--certificate and --certificate-key go together")
    if listen is None:
        if certificate is not None:
            raise click.UsageError("--certificate needs --listen HOST:PORT")
        return None
    if certificate is None or certificate_key is None:
        return Network(listen=listen, certificate=None)
    return Network(
        listen=listen, certificate=CertificateFiles(chain=certificate, key=certificate_key)
    )
