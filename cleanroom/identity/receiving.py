# SPDX-License-Identifier: Apache-2.0
"""Receiving keys: what data keys and results are sealed to.

The suite is HPKE with X-Wing (ML-KEM-768 and X25519 together), HKDF-SHA256 and
AES-256-GCM: what is recorded today stays closed to a quantum computer later, and
to whoever breaks only one of the two. A sealed message opens only under the same
``info``, so it cannot be moved to another purpose.
"""

from __future__ import annotations

import hashlib
from dataclasses import field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

SEED_BYTES = 32
PUBLIC_BYTES = 1216
_MLKEM_BYTES = 1184
_X25519_PRIME = 2**255 - 19

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def seal_to(public: bytes, plaintext: bytes, *, info: bytes) -> bytes:
    """Seal bytes to a receiving key under a context.

    Returns:
        The encapsulated key, then the ciphertext: 1136 bytes more than the plaintext.

    Raises:
        MalformedError: Not a usable receiving key.
    """
    return _SUITE.encrypt(plaintext, _read_public(public, what="receiving key"), info=info)


def validate_public(public: bytes, what: str) -> None:
    """Refuse bytes that are no usable receiving key.

    Raises:
        MalformedError: Wrong length, coefficients out of range, or a curve point
            that would make the shared secret known to everybody.
    """
    _read_public(public, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingKey:
    """The private half of a receiving key.

    Attributes:
        public_bytes: The 1216 bytes that others seal to.
        key: The private half; never shown.
    """

    public_bytes: bytes
    key: hpke.MLKEM768X25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> ReceivingKey:
        """Derive the key pair from its 32-byte seed, as X-Wing section 5.2 says.

        Raises:
            MalformedError: The seed is not 32 bytes.
        """
        if len(seed) != SEED_BYTES:
            raise MalformedError("receiving key: its seed is not 32 bytes", code="key.length")
        expanded = hashlib.shake_256(seed).digest(96)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        public = b"".join(
            half.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            for half in (lattice, curve)
        )
        return cls(public_bytes=public, key=hpke.MLKEM768X25519PrivateKey(lattice, curve))

    def open(self, ciphertext: bytes, *, info: bytes) -> bytes:
        """Open what was sealed to this key under the same context.

        Raises:
            IntegrityError: Sealed to another key, under another context, or altered.
        """
        try:
            return _SUITE.decrypt(ciphertext, self.key, info=info)
        except InvalidTag:
            raise IntegrityError(
                "sealed message: not sealed to this key for this purpose, or altered",
                code="identity.sealed",
            ) from None


def _read_public(public: bytes, *, what: str) -> hpke.MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_BYTES:
        raise MalformedError(f"{what}: not {PUBLIC_BYTES} bytes", code="key.length")
    try:
        # FIPS 203 section 7.2: coefficients must be reduced; the library checks it.
        lattice = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_BYTES])
    except ValueError:
        raise MalformedError(f"{what}: not an ML-KEM-768 key", code="key.point") from None
    return hpke.MLKEM768X25519PublicKey(lattice, _read_curve(public[_MLKEM_BYTES:], what=what))


def _read_curve(public: bytes, *, what: str) -> X25519PublicKey:
    if int.from_bytes(public, "little") >= _X25519_PRIME:
        raise MalformedError(f"{what}: not a canonical X25519 key", code="key.point")
    curve = X25519PublicKey.from_public_bytes(public)
    try:
        # RFC 7748 section 6.1: a point of small order gives zero with every key,
        # so any private key finds it out.
        X25519PrivateKey.from_private_bytes(bytes(SEED_BYTES)).exchange(curve)
    except ValueError:
        raise MalformedError(
            f"{what}: an X25519 point of small order", code="key.small-order"
        ) from None
    return curve
