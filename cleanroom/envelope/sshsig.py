# SPDX-License-Identifier: Apache-2.0
"""SSHSIG: signatures over documents that people sign."""

from __future__ import annotations

from collections.abc import Collection

from cleanroom.identity.ssh_key import Signer, SSHPublicKey


def sign(message: bytes, *, namespace: str, signer: Signer) -> bytes:
    """Sign exact bytes as ssh-keygen -Y sign would."""
    raise NotImplementedError(message, namespace, signer)


def verify(armored: bytes, message: bytes, *, namespace: str, what: str) -> SSHPublicKey:
    """Return the key that signed exactly these bytes in this namespace."""
    raise NotImplementedError(armored, message, namespace, what)


def verify_signed_by(
    armored: bytes,
    message: bytes,
    *,
    namespace: str,
    keys: Collection[SSHPublicKey],
    what: str,
) -> SSHPublicKey:
    """Return the one of these keys that signed exactly these bytes."""
    raise NotImplementedError(armored, message, namespace, keys, what)
