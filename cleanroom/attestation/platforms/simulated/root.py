# SPDX-License-Identifier: Apache-2.0
"""The root of the simulated platform: a name that warns, a public key, a pin.

A real vendor keeps the private half in a vault. This seed is derived from the
published name, on purpose: nobody may ever come to rely on it.
"""

from __future__ import annotations

import datetime as dt
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.kernel.digest import Digest

PLATFORM = "simulated"
ROOT_NAME = b"SIMULATED - NOT CONFIDENTIAL"
KEY_BYTES = 32
ROOT_BYTES = len(ROOT_NAME) + 1 + KEY_BYTES

# SHA-256 of the root document: name, a zero byte, the public key.
ROOT_PIN = Digest.parse("sha256:24dce7316a03efffbb196c874ccd051498a2e0b81278d979fdbfdf19c60c8113")
# Real roots expire; a window keeps every verifier honest about the time it is given.
NOT_BEFORE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOT_AFTER = dt.datetime(2046, 1, 1, tzinfo=dt.UTC)


def published_key() -> Ed25519PrivateKey:
    """Derive the private key that anybody may use."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(ROOT_NAME).digest())


def published_root() -> bytes:
    """Write the root document that travels with the evidence."""
    return ROOT_NAME + b"\0" + published_key().public_key().public_bytes_raw()
