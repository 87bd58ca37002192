# SPDX-License-Identifier: Apache-2.0
"""Certificate authorities of brokers' hosts, where the system's own do not do.

TLS keeps documents from being read on the way. A broker is believed for its signed
statements alone, so an authority that lies learns what a network could read, and
changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from cleanroom.errors import MalformedError
from cleanroom.identity.private_files import WRITABLE_BY_OTHERS, read_private_file
from cleanroom.kernel.limits import MAX_AUTHORITIES_BYTES

AUTHORITIES_FILE = "authorities.pem"


def load_authorities(directory: Path) -> str:
    """Return the PEM text of ``authorities.pem`` in a configuration directory.

    Returns:
        Empty if there is no such file: then the system's authorities count.

    Raises:
        RefusedError: Others can write it.
        MalformedError: Not text, or too large.
    """
    path = directory / AUTHORITIES_FILE
    if not path.exists():
        return ""
    data = read_private_file(path, limit=MAX_AUTHORITIES_BYTES, forbidden=WRITABLE_BY_OTHERS)
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError(f"{path.name}: not PEM", code="authorities.form") from None
