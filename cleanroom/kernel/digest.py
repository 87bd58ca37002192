# SPDX-License-Identifier: Apache-2.0
"""SHA-256 digests as values that can be compared in one way only.

A digest is written ``sha256:`` and 64 lower-case hexadecimal digits everywhere,
and compared in constant time by :meth:`Digest.require`, which raises.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from cleanroom.errors import IntegrityError, MalformedError

_WRITTEN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The SHA-256 of exact bytes.

    Attributes:
        raw: The 32 bytes.
    """

    raw: bytes

    def __post_init__(self) -> None:
        """Refuse anything that is not 32 bytes."""
        if len(self.raw) != hashlib.sha256().digest_size:
            raise MalformedError("digest: not 32 bytes", code="digest.length")

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Digest exact bytes."""
        return cls(hashlib.sha256(data).digest())

    @classmethod
    def parse(cls, text: str, *, what: str = "digest") -> Digest:
        """Read the written form ``sha256:<64 hexadecimal digits>``.

        Raises:
            MalformedError: Any other form, upper case included.
        """
        if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
            raise MalformedError(
                f"{what}: not of the form sha256:<64 hexadecimal digits>", code="digest.format"
            )
        return cls(bytes.fromhex(text[7:]))

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits alone, as in an in-toto digest set."""
        return self.raw.hex()

    def __str__(self) -> str:
        """Write the digest with its algorithm."""
        return f"sha256:{self.raw.hex()}"

    def require(self, actual: Digest, *, what: str) -> None:
        """Raise unless ``actual`` is this digest; compares in constant time.

        Raises:
            IntegrityError: The digests differ.
        """
        if not hmac.compare_digest(self.raw, actual.raw):
            raise IntegrityError(
                f"{what}: found {actual}, agreed {self}",
                code="digest.mismatch",
                hint="the bytes changed after they were named; fetch the agreed version",
            )
