# SPDX-License-Identifier: Apache-2.0
"""Read bytes front to back, never past the end, and say when some are left over.

A TPM marshals big-endian (library specification part 2, section 4.2); firmware
and kernel write their logs little-endian. Both are read with the same reader.
"""

from __future__ import annotations

from typing import Literal

from cleanroom.errors import MalformedError

ByteOrder = Literal["big", "little"]


class Reader:
    """Take fields off the front of a byte string.

    Attributes:
        position: Offset of the next byte.
    """

    def __init__(self, data: bytes, *, what: str, order: ByteOrder = "big") -> None:
        """Start at the first byte; ``what`` begins every error message."""
        self._data = data
        self._what = what
        self._order = order
        self.position = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.position

    def take(self, count: int) -> bytes:
        """Take ``count`` bytes.

        Raises:
            MalformedError: Fewer are left.
        """
        if count > self.remaining:
            raise self.malformed(
                f"ends at byte {len(self._data)}, {count} more needed from {self.position}",
                "truncated",
            )
        self.position += count
        return self._data[self.position - count : self.position]

    def number(self, width: int) -> int:
        """Take an unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), self._order)

    def sized(self, *, width: int = 2, limit: int) -> bytes:
        """Take a length of ``width`` bytes and then so many bytes (a ``TPM2B``).

        Raises:
            MalformedError: The length is over ``limit``, or runs past the end.
        """
        length = self.number(width)
        if length > limit:
            raise self.malformed(f"a field of {length} bytes against at most {limit}", "oversize")
        return self.take(length)

    def end(self) -> None:
        """Refuse trailing bytes, which are a place to hide things.

        Raises:
            MalformedError: Some are left.
        """
        if self.remaining:
            raise self.malformed(f"{self.remaining} trailing bytes against none", "trailing")

    def malformed(self, found: str, cause: str) -> MalformedError:
        """Make the error of this structure, for the caller to raise."""
        return MalformedError(f"{self._what}: {found}", code=f"tpm.{cause}")


def sized(data: bytes) -> bytes:
    """Write a ``TPM2B``: two bytes of length, then the bytes."""
    return len(data).to_bytes(2, "big") + data
