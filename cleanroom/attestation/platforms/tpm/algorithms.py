# SPDX-License-Identifier: Apache-2.0
"""The TPM algorithms that count here, by their TCG numbers.

SHA-1 is absent on purpose: a bank that an attacker can find collisions for
proves nothing about what was loaded.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

from cleanroom.errors import MalformedError

NULL = 0x0010  # TPM_ALG_NULL: no scheme, no symmetric algorithm


class Hash(IntEnum):
    """``TPM_ALG_ID`` of a hash; also names a PCR bank."""

    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D

    @property
    def size(self) -> int:
        """Bytes of a digest."""
        return hashlib.new(self.name.lower()).digest_size

    def digest(self, data: bytes) -> bytes:
        """Digest exact bytes."""
        return hashlib.new(self.name.lower(), data).digest()

    def extend(self, register: bytes, event: bytes) -> bytes:
        """Return the value of a register after ``event``, a digest, was extended into it."""
        return self.digest(register + event)


class Scheme(IntEnum):
    """``TPM_ALG_ID`` of a signature scheme."""

    RSASSA = 0x0014
    RSAPSS = 0x0016
    ECDSA = 0x0018


class KeyType(IntEnum):
    """``TPM_ALG_ID`` of an asymmetric key."""

    RSA = 0x0001
    ECC = 0x0023


def hash_of(number: int, *, what: str) -> Hash:
    """Return a hash by its number.

    Raises:
        MalformedError: SHA-1 or one that we do not know.
    """
    try:
        return Hash(number)
    except ValueError:
        raise MalformedError(
            f"{what}: hash algorithm {number:#06x} against SHA-256, SHA-384 or SHA-512",
            code="tpm.hash",
        ) from None


def scheme_of(number: int, *, what: str) -> Scheme:
    """Return a signature scheme by its number.

    Raises:
        MalformedError: One that we do not know.
    """
    try:
        return Scheme(number)
    except ValueError:
        raise MalformedError(
            f"{what}: signature scheme {number:#06x} against RSASSA, RSAPSS or ECDSA",
            code="tpm.scheme",
        ) from None
