# SPDX-License-Identifier: Apache-2.0
"""Read closed JSON objects field by field: every member known, none missing.

An unknown member is refused because another verifier might give it a meaning,
and a missing one because absent must never come to mean unchecked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_base64 import decode_base64

_TO_STANDARD = str.maketrans("-_", "+/")


def closed_object(value: object, *, members: Sequence[str], what: str) -> Mapping[str, Any]:
    """Return ``value`` if it is an object with exactly these members.

    Raises:
        MalformedError: Not an object, a member too many, or one missing.
    """
    if not isinstance(value, Mapping):
        raise MalformedError(f"{what}: not a JSON object, agreed one", code="attestation.type")
    for name in members:
        if name not in value:
            raise MalformedError(
                f"{what}: {name!r} is missing, agreed {', '.join(members)}",
                code="attestation.missing-key",
            )
    if len(value) != len(members):
        raise MalformedError(
            f"{what}: found a key beside {', '.join(members)}, agreed no other",
            code="attestation.unknown-key",
        )
    return value


def text_field(value: object, *, pattern: re.Pattern[str], what: str) -> str:
    """Return ``value`` if it is text of the given form.

    Raises:
        MalformedError: Not a string, or of another form.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MalformedError(
            f"{what}: not text of its form, agreed {pattern.pattern}", code="attestation.text"
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


def base64_field(value: object, *, what: str) -> bytes:
    """Decode standard base64 with padding, in its only spelling.

    Raises:
        MalformedError: Not text, not base64, or another spelling of the same bytes.
    """
    if not isinstance(value, str):
        raise MalformedError(f"{what}: not text", code="attestation.type")
    return decode_base64(value, what=what)


def base64url_field(value: object, *, what: str) -> bytes:
    """Decode URL-safe base64 without padding (RFC 7515), in its only spelling.

    Raises:
        MalformedError: Not text, not base64url, or another spelling of the same bytes.
    """
    if not isinstance(value, str):
        raise MalformedError(f"{what}: not text", code="attestation.type")
    padded = value.translate(_TO_STANDARD) + "=" * (-len(value) % 4)
    data = decode_base64(padded, what=what)
    if encode_base64url(data) != value:
        raise MalformedError(f"{what}: not base64url without padding", code="format.base64")
    return data


def encode_base64url(data: bytes) -> str:
    """Write bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
