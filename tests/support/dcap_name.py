# SPDX-License-Identifier: Apache-2.0
"""What names a PCK certificate in a quote that does not bring it."""

from __future__ import annotations

from tests.support.dcap_forge import COMPONENTS, PCEID, PCESVN, PPID, intel, make_pck
from tests.support.test_pki import Authority

_ENCRYPTED = {2: 256, 3: 384}


def pck_name(
    kind: int,
    *,
    ppid: bytes = PPID,
    cpusvn: bytes = bytes(COMPONENTS),
    pcesvn: int = PCESVN,
    pceid: bytes = PCEID,
) -> bytes:
    """Write certification data of types 1 to 3; an encrypted PPID is for nobody here to read."""
    written = ppid if kind == 1 else bytes([kind]) * _ENCRYPTED[kind]
    return written + cpusvn + pcesvn.to_bytes(2, "little") + pceid


def chain_beside(pck: Authority | None = None) -> str:
    """Write the certificate, its issuer and the root as they come along."""
    ours = intel()
    return ((pck or make_pck()).pem + ours.middle.pem + ours.root.pem).decode()
