# SPDX-License-Identifier: Apache-2.0
"""Read closed JSON objects field by field: every member known, none missing.

An unknown member is refused because another verifier might give it a meaning,
and a missing one because absent must never come to mean unchecked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from cleanroom.errors import MalformedError


class Base64(Enum):
    """Which of the two alphabets of RFC 4648 a field is written in."""

    STANDARD = "standard, padded"
    URL = "URL-safe, not padded"


def closed_object(value: object, *, members: Sequence[str], what: str) -> Mapping[str, Any]:
    """Return ``value`` if it is an object with exactly these members.

    Raises:
        MalformedError: Not an object, a member too many, or one missing.
    """
    if not isinstance(value, Mapping):
        raise MalformedError(f"{what}: not a JSON object", code="attestation.type")
    for name in members:
        if name not in value:
            raise MalformedError(f"{what}: {name!r} is missing", code="attestation.missing-key")
    if len(value) != len(members):
        raise MalformedError(
            f"{what}: found a key beside {', '.join(members)}", code="attestation.unknown-key"
        )
    return value


def text_field(value: object, *, pattern: re.Pattern[str], what: str) -> str:
    """Return ``value`` if it is text of the given form.

    Raises:
        MalformedError: Not a string, or of another form.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MalformedError(
            f"{what}: not text of the form {pattern.pattern}", code="attestation.text"
        )
    return value


def constant_field(value: object, *, expected: str, what: str) -> None:
    """Refuse anything but one fixed text, such as a version marker.

    Raises:
        MalformedError: Another value.
    """
    if value != expected:
        raise MalformedError(
            f"{what}: not {expected!r}",
            code="attestation.version",
            hint="another version of the software may have written it",
        )


def bytes_field(value: object, *, alphabet: Base64, what: str) -> bytes:
    """Decode base64 that has exactly one spelling.

    Raises:
        MalformedError: Not base64, or not the one spelling of its bytes.
    """
    problem = MalformedError(f"{what}: not base64 ({alphabet.value})", code="attestation.base64")
    if not isinstance(value, str) or not value.isascii():
        raise problem
    try:
        data = _decode(value, alphabet)
    except binascii.Error:
        raise problem from None
    # Bits beyond the last byte are ignored by decoders, so two texts could mean
    # the same bytes and give one document two digests.
    if encode_bytes(data, alphabet=alphabet) != value:
        raise problem
    return data


def encode_bytes(data: bytes, *, alphabet: Base64) -> str:
    """Write bytes in the one accepted spelling."""
    if alphabet is Base64.STANDARD:
        return base64.b64encode(data).decode("ascii")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str, alphabet: Base64) -> bytes:
    if alphabet is Base64.STANDARD:
        return base64.b64decode(text, validate=True)
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
