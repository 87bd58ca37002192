# SPDX-License-Identifier: Apache-2.0
"""Receiving keys: what data keys and results are sealed to."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hpke


def seal_to(public: bytes, plaintext: bytes, *, info: bytes) -> bytes:
    """Seal bytes to a receiving key under a context."""
    raise NotImplementedError(public, plaintext, info)


def validate_public(public: bytes, what: str) -> None:
    """Refuse bytes that are no usable receiving key."""
    raise NotImplementedError(public, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingKey:
    """The private half of a receiving key."""

    public_bytes: bytes
    key: hpke.MLKEM768X25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> ReceivingKey:
        """Derive the key pair from its 32-byte seed."""
        raise NotImplementedError(seed)

    def open(self, ciphertext: bytes, *, info: bytes) -> bytes:
        """Open what was sealed to this key under the same context."""
        raise NotImplementedError(ciphertext, info)
