# SPDX-License-Identifier: Apache-2.0
"""A log with a fixed key, and an independent reading of RFC 6962 to compare with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "cleanroom/log/v0/hospital"
KEY = Ed25519PrivateKey.from_private_bytes(b"L" * 32)
PUBLIC_KEY = KEY.public_key().public_bytes_raw()


def reference_root(entries: Sequence[bytes]) -> bytes:
    """Compute the Merkle tree hash as RFC 6962 section 2.1 writes it, by recursion."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    half = _split(len(entries))
    left, right = reference_root(entries[:half]), reference_root(entries[half:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def reference_path(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """Compute the audit path as RFC 6962 section 2.1.1 writes it."""
    if len(entries) == 1:
        return []
    half = _split(len(entries))
    if index < half:
        return [*reference_path(index, entries[:half]), reference_root(entries[half:])]
    return [*reference_path(index - half, entries[half:]), reference_root(entries[:half])]


def reference_consistency(old: int, entries: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Compute the consistency proof as RFC 6962 section 2.1.2 writes it."""
    if old == len(entries):
        return [] if whole else [reference_root(entries)]
    half = _split(len(entries))
    if old <= half:
        rest = reference_consistency(old, entries[:half], whole=whole)
        return [*rest, reference_root(entries[half:])]
    rest = reference_consistency(old - half, entries[half:], whole=False)
    return [*rest, reference_root(entries[:half])]


def _split(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half
