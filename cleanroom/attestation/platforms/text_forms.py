# SPDX-License-Identifier: Apache-2.0
"""Evidence as strangers keep it: raw, as hexadecimal text, or as base64 text."""

from __future__ import annotations

import base64
import binascii
import re

from cleanroom.errors import MalformedError

MAX_STRANGER_BYTES = 1024 * 1024

_HEXADECIMAL = re.compile(rb"(?:0x)?((?:[0-9a-fA-F]{2})+)")
_DIGITS = re.compile(rb"[0-9a-fA-F]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def decoded_text(data: bytes) -> bytes:
    """Decode a file that is nothing but hexadecimal or base64 digits; else return it as it is.

    A guess for convenience: whatever comes out is parsed as strictly as ever.
    """
    text = b"".join(data[:MAX_STRANGER_BYTES].split())
    if len(data) > MAX_STRANGER_BYTES or not text:
        return data
    hexadecimal = _HEXADECIMAL.fullmatch(text)
    if hexadecimal:
        return bytes.fromhex(hexadecimal[1].decode("ascii"))
    if not _BASE64.fullmatch(text):
        return data
    return _base64(text) or data


def require_pairs(data: bytes, *, what: str) -> bytes:
    """Return a file unless it is hexadecimal text with a digit too few or too many.

    Raises:
        MalformedError: It is; read as anything else it would be refused for another reason.
    """
    text = b"".join(data[:MAX_STRANGER_BYTES].split())
    if len(text) % 2 and len(data) <= MAX_STRANGER_BYTES and _DIGITS.fullmatch(text):
        raise MalformedError(
            f"{what}: found {len(text)} hexadecimal digits, agreed an even number",
            code="attestation.hexadecimal",
        )
    return data


def _base64(text: bytes) -> bytes:
    digits = text.rstrip(b"=").translate(_TO_STANDARD)
    try:
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return b""
