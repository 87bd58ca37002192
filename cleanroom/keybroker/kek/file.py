# SPDX-License-Identifier: Apache-2.0
"""A KEK in a file that only its owner can read, on another disk or from a service manager."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import MalformedError
from cleanroom.identity.private_files import read_private_file
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.keybroker.kek.source import KEY_BYTES, Trouble

MAX_KEY_FILE_BYTES = 64
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKek:
    """``file:/path``: one line, the base64 of 32 bytes.

    Attributes:
        path: The file; read each time, closed to others.
        entropy: Where nonces come from.
    """

    path: Path
    entropy: Callable[[int], bytes] = os.urandom

    @property
    def place(self) -> str:
        """Which key it is."""
        return f"file:{self.path}"

    def wrap(self, key: bytes, *, context: str) -> bytes:
        """Encrypt with AES-256-GCM under a fresh nonce, the context beside it.

        Raises:
            UnavailableError: There is no such file.
            RefusedError: Others can read it.
            MalformedError: It holds something else.
        """
        nonce = self.entropy(NONCE_BYTES)
        return nonce + AESGCM(self._key()).encrypt(nonce, key, context.encode())

    def unwrap(self, wrapped: bytes, *, context: str) -> bytes:
        """Decrypt.

        Raises:
            CleanroomError: As :meth:`wrap`.
            IntegrityError: Wrapped by another key, or altered.
        """
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._key()).decrypt(nonce, sealed, context.encode())
        except (InvalidTag, ValueError):
            raise Trouble.WRONG.of(self.place) from None

    def _key(self) -> bytes:
        text = read_private_file(self.path, limit=MAX_KEY_FILE_BYTES).removesuffix(b"\n")
        key = decode_base64(text.decode("ascii", "replace"), what="kek file")
        if len(key) != KEY_BYTES:
            raise MalformedError(
                f"kek file: not one line with the base64 of {KEY_BYTES} bytes",
                code="kek.file",
                hint="make one with: (umask 077; openssl rand -base64 32 > FILE)",
            )
        return key
