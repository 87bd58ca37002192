# SPDX-License-Identifier: Apache-2.0
"""Signers: a key file opened with its passphrase, or an agent that keeps the key."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.identity.agent import sign_with_agent
from cleanroom.identity.openssh_file import (
    MAX_KEY_FILE_BYTES,
    open_key_file,
    public_key_of,
)
from cleanroom.identity.private_files import read_private_file
from cleanroom.identity.ssh_key import ED25519, SSHPublicKey
from cleanroom.identity.wire import wire_string
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSigner:
    """Sign with a private key in memory, as opened from its file."""

    public_key: SSHPublicKey
    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, path: Path, passphrase: bytes) -> FileSigner:
        """Open an OpenSSH private key file; an unencrypted one needs no passphrase.

        Raises:
            UnavailableError: The file is absent or cannot be read.
            RefusedError: A link, open to others, or a key that stays in a token.
            MalformedError: Not an OpenSSH Ed25519 key file.
            IntegrityError: Another passphrase, or an altered file.
        """
        data = read_private_file(path, limit=MAX_KEY_FILE_BYTES)
        return cls.from_key(open_key_file(data, passphrase, what=path.name))

    @classmethod
    def from_key(cls, key: Ed25519PrivateKey) -> FileSigner:
        """Sign with this key."""
        return cls(public_key=public_key_of(key), key=key)

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over the data."""
        return wire_string(ED25519.encode()) + wire_string(self.key.sign(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSigner:
    """Ask an ssh-agent for signatures; the key never comes here."""

    public_key: SSHPublicKey
    socket: Path

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over the data, checked before it is used.

        Raises:
            UnavailableError: No agent, or it does not hold the key.
            RefusedError: The agent declined.
            IntegrityError: It signed something else, or with another key.
        """
        signature = sign_with_agent(self.socket, blob=self.public_key.blob, data=data)
        self.public_key.verify(signature, data, what="ssh-agent")
        return signature
