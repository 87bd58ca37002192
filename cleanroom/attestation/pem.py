# SPDX-License-Identifier: Apache-2.0
"""Certificates as text: PEM with nothing between its blocks (RFC 7468)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cleanroom.attestation.certificates import MAX_CERTIFICATE_BYTES, MAX_CHAIN
from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_base64 import decode_base64

PEM_MARK = b"-----BEGIN CERTIFICATE-----"

_PEM_END = b"-----END CERTIFICATE-----"
# Azure's service of PCK certificates writes them as mail does (RFC 2045), their issuers as PEM.
_WIDTHS = (64, 76)


def split_pem(data: bytes, *, what: str) -> tuple[bytes, ...]:
    """Return the DER of certificates that stand behind each other as PEM, in its one spelling.

    Lines have 64 digits, or all of one certificate 76, and end alike; one zero byte may end
    the text, as in quotes. A changed line break would leave the certificate as it is, and
    evidence with two digests.

    Raises:
        MalformedError: None, more than ``MAX_CHAIN``, anything between them, or another
            spelling of the same bytes.
    """
    found = split_loose_pem(data, what=what)
    text = data.removesuffix(b"\0")
    for end in (b"\n", b"\r\n"):
        if _is_spelled(text.removesuffix(end) + end, found, end=end):
            return found
    raise _malformed(what, "not PEM in its one spelling")


def split_loose_pem(data: bytes, *, what: str) -> tuple[bytes, ...]:
    """Return the DER of certificates as strangers write PEM, whatever their white space.

    Raises:
        MalformedError: None, more than ``MAX_CHAIN``, text between them, or base64 of
            another form.
    """
    if len(data) > 2 * MAX_CHAIN * MAX_CERTIFICATE_BYTES:
        raise _malformed(what, "too long")
    blocks = data.strip(b" \t\r\n\0").split(PEM_MARK)
    if blocks[0] or not 1 < len(blocks) <= MAX_CHAIN + 1:
        raise _malformed(what, f"not 1 to {MAX_CHAIN} PEM certificates")
    return tuple(_block(block, what=what) for block in blocks[1:])


def pem_of(encoded: bytes, *, width: int = 64) -> bytes:
    """Write DER as PEM, in its one spelling (RFC 7468 section 3); ``width`` digits a line."""
    text = base64.b64encode(encoded)
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return b"\n".join((PEM_MARK, *lines, _PEM_END)) + b"\n"


def _is_spelled(text: bytes, found: Sequence[bytes], *, end: bytes) -> bool:
    for encoded in found:
        spellings = [pem_of(encoded, width=width).replace(b"\n", end) for width in _WIDTHS]
        block = next((item for item in spellings if text.startswith(item)), None)
        if block is None:
            return False
        text = text[len(block) :]
    return not text


def _block(block: bytes, *, what: str) -> bytes:
    body, end, rest = block.partition(_PEM_END)
    if not end or rest.strip():
        raise _malformed(what, "not PEM certificates")
    text = b"".join(body.split()).decode("ascii", "replace")
    return decode_base64(text, what=what)


def _malformed(what: str, found: str) -> MalformedError:
    return MalformedError(
        f"{what}: {found}, agreed PEM blocks of 64 or 76 digits a line", code="attestation.pem"
    )
