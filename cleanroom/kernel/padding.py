# SPDX-License-Identifier: Apache-2.0
"""Hide how long something is, except for a coarse published step.

The size of a sealed result is output too: it grows with the number of groups and
with the text in them. Padded to a power of two, it tells an operator at most
which doubling the content fell into.
"""

from __future__ import annotations

from cleanroom.errors import MalformedError
from cleanroom.kernel.limits import KIB

SMALLEST_STEP = 4 * KIB
_LENGTH_BYTES = 8


def pad(data: bytes) -> bytes:
    """Prefix the length (8 bytes, big-endian) and fill with zeros up to the next step."""
    needed = _LENGTH_BYTES + len(data)
    step = max(SMALLEST_STEP, 1 << (needed - 1).bit_length())
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data + bytes(step - needed)


def unpad(padded: bytes, *, what: str) -> bytes:
    """Return what :func:`pad` padded.

    Raises:
        MalformedError: Any other bytes, so that there is one padded form only.
    """
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    data = padded[_LENGTH_BYTES : _LENGTH_BYTES + length]
    if pad(data) != padded:
        raise MalformedError(f"{what}: not padded as agreed", code="format.padding")
    return data
