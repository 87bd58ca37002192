# SPDX-License-Identifier: Apache-2.0
"""Base64 with one spelling for every byte string.

Lenient decoders skip foreign characters and ignore the unused bits of the last
one, so many texts mean the same bytes. A signed or digested text must not have
such twins: what is read here encodes back to exactly what was read.
"""

from __future__ import annotations

import binascii

from cleanroom.errors import MalformedError


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
