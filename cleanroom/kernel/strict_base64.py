# SPDX-License-Identifier: Apache-2.0
"""Base64 with one spelling for every byte string.

Lenient decoders skip foreign characters and ignore the unused bits of the last
one, so many texts mean the same bytes. A signed or digested text must not have
such twins: what is read here encodes back to exactly what was read.
"""

from __future__ import annotations

import binascii

from cleanroom.errors import MalformedError
from cleanroom.kernel.remembered import remembered

_PIECE = 4096  # characters, a multiple of four
_PIECE_BYTES = _PIECE // 4 * 3
_REMEMBERED = 256


def encode_base64(data: bytes) -> str:
    """Write bytes as standard base64 with padding, on one line."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str, *, what: str) -> bytes:
    """Read standard base64 with padding, in its only accepted spelling.

    Raises:
        MalformedError: Foreign characters, missing padding, or unused bits that are set.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        data = b""
    if encode_base64(data) != text:
        raise MalformedError(f"{what}: not standard base64 with padding", code="format.base64")
    return data


def decode_long_base64(text: str, *, what: str) -> bytes:
    """Read what :func:`decode_base64` reads, remembering pieces that come again and again.

    All requests for keys under one contract begin with the same tens of kilobytes.

    Raises:
        MalformedError: As :func:`decode_base64`.
    """
    # Four characters are three bytes wherever they stand, so pieces can be read by themselves.
    # At least one character is left for the end, the one place where there may be padding.
    end = max(len(text) - 1, 0) // _PIECE * _PIECE
    pieces = [_piece(text[at : at + _PIECE], what=what) for at in range(0, end, _PIECE)]
    if any(len(piece) != _PIECE_BYTES for piece in pieces):
        raise MalformedError(f"{what}: padding within base64", code="format.base64")
    return b"".join([*pieces, decode_base64(text[end:], what=what)])


@remembered(_REMEMBERED)
def _piece(text: str, *, what: str) -> bytes:
    return decode_base64(text, what=what)
