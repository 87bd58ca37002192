# SPDX-License-Identifier: Apache-2.0
"""What is long enough to keep a stolen file closed."""

from __future__ import annotations

from cleanroom.errors import RefusedError

MIN_PASSPHRASE_BYTES = 8


def require_strong(passphrase: bytes, *, what: str) -> None:
    """Refuse a passphrase that is too short to seal anything with.

    Length is all that can be checked here; what makes a guess slow is the key
    derivation of the file.

    Raises:
        RefusedError: Shorter than eight bytes.
    """
    if len(passphrase) < MIN_PASSPHRASE_BYTES:
        raise RefusedError(
            f"{what}: found fewer than {MIN_PASSPHRASE_BYTES} characters",
            code="identity.passphrase-short",
            hint="choose a longer one; a few unrelated words are easy to remember",
        )
