# SPDX-License-Identifier: Apache-2.0
"""SSH wire encoding (RFC 4251 section 5): length-prefixed strings and integers.

Every length comes from the other side, so a reader never allocates what a length
promises and never leaves bytes behind: whatever follows the last field is refused.
"""

from __future__ import annotations

from typing import NoReturn

from cleanroom.errors import MalformedError

_UINT32_BYTES = 4


def wire_string(data: bytes) -> bytes:
    """Write bytes as an SSH string."""
    return len(data).to_bytes(_UINT32_BYTES, "big") + data


class WireReader:
    """Read SSH fields from bytes, front to back."""

    def __init__(self, data: bytes, *, what: str) -> None:
        """Start at the front; ``what`` is the subject of error messages."""
        self._data = data
        self._at = 0
        self._what = what

    def take(self, length: int) -> bytes:
        """Return the next bytes.

        Raises:
            MalformedError: Fewer bytes are left.
        """
        piece = self._data[self._at : self._at + length]
        if len(piece) != length:
            self._refuse("cut short")
        self._at += length
        return piece

    def uint32(self) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(_UINT32_BYTES), "big")

    def string(self) -> bytes:
        """Return the next length-prefixed string."""
        return self.take(self.uint32())

    def end(self) -> None:
        """Refuse bytes after the last field.

        Raises:
            MalformedError: Bytes are left.
        """
        if self._at != len(self._data):
            self._refuse("bytes after the end")

    def _refuse(self, found: str) -> NoReturn:
        raise MalformedError(f"{self._what}: found {found}", code="ssh.wire")
