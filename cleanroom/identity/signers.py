# SPDX-License-Identifier: Apache-2.0
"""Signers: a key file, or an agent that holds the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.identity.ssh_key import SSHPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSigner:
    """Sign with a private key held in memory, as loaded from a file."""

    public_key: SSHPublicKey
    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, passphrase: bytes) -> FileSigner:
        """Load an OpenSSH private key file."""
        raise NotImplementedError(path, passphrase)

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over data."""
        raise NotImplementedError(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSigner:
    """Ask an ssh-agent for signatures."""

    public_key: SSHPublicKey
    socket: Path

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over data."""
        raise NotImplementedError(data)


def generate_ssh_key(path: Path, *, passphrase: bytes, comment: str = "cleanroom") -> SSHPublicKey:
    """Write a new encrypted Ed25519 private key, and its public half beside it."""
    raise NotImplementedError(path, passphrase, comment)
