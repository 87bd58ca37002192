# SPDX-License-Identifier: Apache-2.0
"""The attestation result as a signed token: EAR in a JWT with EdDSA, and nothing else.

Relying parties of other makes read our verdict in this form (draft-ietf-rats-ear,
RFC 7515 compact serialisation, RFC 8037). The header is one fixed text: a token
that names another algorithm, a key of its own or a critical extension is no token.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from cleanroom.attestation.fields import base64url_field, encode_base64url
from cleanroom.attestation.result import EAT_PROFILE, AttestationResult
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.strict_json import parse_json

HEADER = b'{"alg":"EdDSA","typ":"JWT"}'
MAX_TOKEN_BYTES = 64 * 1024

_PART = re.compile(r"[A-Za-z0-9_-]+")


def sign_ear(result: AttestationResult, key: Ed25519PrivateKey) -> str:
    """Write a result as a token that the verifier signs."""
    payload = encode_base64url(canonical_json(result.to_ear()))
    signed = f"{encode_base64url(HEADER)}.{payload}"
    return f"{signed}.{encode_base64url(key.sign(signed.encode('ascii')))}"


def verify_ear(
    token: str, key: Ed25519PublicKey, *, at: dt.datetime, max_age: dt.timedelta
) -> Mapping[str, Any]:
    """Return the claims of a token that this key signed, not long ago.

    Args:
        token: Compact serialisation, exactly.
        key: The verifier's key, known before; a key in the token would prove nothing.
        at: The reader's clock.
        max_age: How old a verdict may be; one from the future is refused as well.

    Raises:
        MalformedError: 1. Not such a token, or 3. not such claims.
        IntegrityError: 2. Another key signed it, or something changed since.
        EvidenceRefusedError: 4. Too old, or from the future.
    """
    # 1. One header, byte for byte: "none", another algorithm or a supplied key never parse.
    header, payload, signature = _parts(token)
    if base64url_field(header, what="ear header") != HEADER:
        raise MalformedError("ear: found another header, agreed EdDSA alone", code="ear.header")
    # 2. Over the received bytes, before the claims are parsed.
    _require_signature(f"{header}.{payload}", signature, key)
    # 3. Ours are canonical; another writer's whitespace would be another token.
    claims = _claims(base64url_field(payload, what="ear payload"))
    # 4. A verdict is about one moment.
    _require_fresh(claims, at=at, max_age=max_age)
    return claims


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(".") if len(token) <= MAX_TOKEN_BYTES else []
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):  # noqa: PLR2004 - RFC 7515, 7.1
        raise MalformedError("ear: not three base64url parts", code="ear.parts")
    return parts[0], parts[1], parts[2]


def _require_signature(signed: str, signature: str, key: Ed25519PublicKey) -> None:
    try:
        key.verify(base64url_field(signature, what="ear signature"), signed.encode("ascii"))
    except InvalidSignature:
        raise IntegrityError("ear: the signature does not match", code="ear.signature") from None


def _claims(payload: bytes) -> Mapping[str, Any]:
    claims = parse_json(payload, what="ear payload", limit=MAX_TOKEN_BYTES)
    if not isinstance(claims, dict) or claims.get("eat_profile") != EAT_PROFILE:
        raise MalformedError("ear: not the claims of an EAR", code="ear.profile")
    if not isinstance(claims.get("submods"), dict) or not isinstance(claims.get("iat"), int):
        raise MalformedError("ear: without submods or iat", code="ear.claims")
    return claims


def _require_fresh(claims: Mapping[str, Any], *, at: dt.datetime, max_age: dt.timedelta) -> None:
    age = int(at.timestamp()) - claims["iat"]
    if not 0 <= age <= int(max_age.total_seconds()):
        raise EvidenceRefusedError(
            f"ear: issued {age} seconds before {format_time(at)}, agreed 0 to"
            f" {int(max_age.total_seconds())}",
            code="ear.age",
        )
