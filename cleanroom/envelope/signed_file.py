# SPDX-License-Identifier: Apache-2.0
"""Documents with detached signatures by parties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom.identity.party import PartyDocument
from cleanroom.identity.ssh_key import SSHPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """Exact bytes, and armored signatures by party name.

    Attributes:
        data: The exact bytes that were signed.
        signatures: Party name to armored SSHSIG; nothing in it is verified yet.
    """

    data: bytes
    signatures: Mapping[str, bytes]


def verify_file(file: SignedFile, *, kind: str, signer: PartyDocument, what: str) -> SSHPublicKey:
    """Raise unless the party signed exactly these bytes as this kind of document."""
    raise NotImplementedError(file, kind, signer, what)
