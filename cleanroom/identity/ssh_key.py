# SPDX-License-Identifier: Apache-2.0
"""SSH public keys of parties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SSHPublicKey:
    """A public key that may sign documents.

    Attributes:
        algorithm: Either ssh-ed25519 or sk-ssh-ed25519@openssh.com.
        blob: The key in SSH wire form.
    """

    algorithm: str
    blob: bytes

    @classmethod
    def parse(cls, line: str, *, what: str = "key") -> SSHPublicKey:
        """Read one line of the form ssh-ed25519 AAAA... [comment]."""
        raise NotImplementedError(line, what)

    def line(self) -> str:
        """Write the key as one line without a comment."""
        raise NotImplementedError

    def verify(self, signature_blob: bytes, data: bytes, *, what: str) -> None:
        """Raise unless the SSH signature blob is this key's signature over data."""
        raise NotImplementedError(signature_blob, data, what)


class Signer(Protocol):
    """Whoever can sign bytes with one SSH key."""

    @property
    def public_key(self) -> SSHPublicKey:
        """Return the key that verifies what this signer signs."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return an SSH signature blob over data."""
        ...
