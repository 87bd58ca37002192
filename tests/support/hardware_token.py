# SPDX-License-Identifier: Apache-2.0
"""A hardware token in software: signs as a FIDO2 security key does for OpenSSH.

Written from OpenSSH's PROTOCOL.u2f, not from our verifier. That it is faithful
is shown by ssh-keygen accepting what it signs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.identity.ssh_key import SSHPublicKey

ALGORITHM = b"sk-ssh-ed25519@openssh.com"


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True, kw_only=True)
class SoftwareToken:
    """One credential of a pretended token."""

    key: Ed25519PrivateKey
    application: bytes = b"ssh:"
    flags: int = 0x01
    counter: int = 7

    @property
    def blob(self) -> bytes:
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _string(ALGORITHM) + _string(raw) + _string(self.application)

    @property
    def public_key(self) -> SSHPublicKey:
        return SSHPublicKey.from_blob(self.blob)

    def sign(self, data: bytes) -> bytes:
        counted = bytes([self.flags]) + self.counter.to_bytes(4, "big")
        digests = (hashlib.sha256(self.application).digest(), hashlib.sha256(data).digest())
        signature = self.key.sign(digests[0] + counted + digests[1])
        return _string(ALGORITHM) + _string(signature) + counted
