# SPDX-License-Identifier: Apache-2.0
"""Signed tokens in compact form, read and verified with nothing left to their sender.

The header says ``alg``, ``kid``, ``jku``, ``x5u`` or ``jwk``; each has let forgers in
somewhere. Here ``alg`` must be what the key is for, ``kid`` picks among keys that are
trusted already, and addresses and keys in a header are never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cleanroom.attestation.fields import base64url_field
from cleanroom.attestation.signers import require_ecdsa, require_rsa
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import decode_text, parse_json

MAX_TOKEN_BYTES = 64 * 1024
_PARTS = 3
_CURVES: Mapping[str, tuple[str, type[hashes.HashAlgorithm]]] = {
    "secp256r1": ("ES256", hashes.SHA256),
    "secp384r1": ("ES384", hashes.SHA384),
}

TokenKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A token whose signature nobody has looked at.

    Attributes:
        header: Its header, strictly parsed.
        payload: Bytes of the payload; not parsed, because nobody vouches for them yet.
        signed: The exact bytes that the signature covers.
        signature: As the algorithm writes it.
    """

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes


def parse_token(data: bytes, *, what: str) -> UnverifiedToken:
    """Read a token in compact form; line breaks at its end are a file's, not its own.

    Raises:
        MalformedError: Oversize, not three parts of base64url, a header that is no
            object, or extensions that change what is signed.
    """
    text = decode_text(data.rstrip(b"\r\n"), what=what, limit=MAX_TOKEN_BYTES)
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise _malformed(what, f"{len(parts)} parts against {_PARTS}")
    header, payload, signature = (base64url_field(part, what=what) for part in parts)
    members = parse_json(header, what=f"{what} header", limit=MAX_TOKEN_BYTES)
    if not isinstance(members, dict):
        raise _malformed(what, "a header that is not an object")
    # RFC 7515 section 4.1.11 and RFC 7797: extensions may change what the signature
    # covers, and compression what the payload is.
    changed = sorted({"crit", "b64", "zip", "enc"} & members.keys())
    if changed:
        raise _malformed(what, f"the header extension {changed[0]}, agreed none")
    return UnverifiedToken(
        header=members,
        payload=payload,
        signed=".".join(parts[:2]).encode("ascii"),
        signature=signature,
    )


def verified_claims(token: UnverifiedToken, *, key: TokenKey, what: str) -> Mapping[str, Any]:
    """Return a token's claims after its signature held.

    Raises:
        IntegrityError: 1. Another algorithm than the key's. 2. The signature does not match.
        MalformedError: 3. Claims that are not one JSON object without doubt.
    """
    # 1. "none", or HMAC under a public key, is how tokens are forged.
    agreed, algorithm = algorithm_of(key)
    if token.header.get("alg") != agreed:
        raise IntegrityError(
            f"{what}: found another algorithm in the header, agreed {agreed}",
            code="token.algorithm",
        )
    # 2. Over the received text, before a claim is read.
    verify = require_rsa if isinstance(key, rsa.RSAPublicKey) else require_ecdsa
    verify(key, signature=token.signature, signed=token.signed, algorithm=algorithm, what=what)  # type: ignore[arg-type]
    # 3. Of two equal claims one reader takes the first and another the last.
    claims = parse_json(token.payload, what=f"{what} claims", limit=MAX_TOKEN_BYTES)
    if not isinstance(claims, dict):
        raise _malformed(what, "claims that are not an object")
    return claims


def algorithm_of(key: TokenKey) -> tuple[str, hashes.HashAlgorithm]:
    """Return the one algorithm that a key is for, and its hash."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256", hashes.SHA256()
    name, kind = _CURVES[key.curve.name]
    return name, kind()


def is_token_key(key: object) -> TypeGuard[TokenKey]:
    """Tell whether tokens may be signed with a key of this kind."""
    return isinstance(key, rsa.RSAPublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    )


def _malformed(what: str, found: str) -> MalformedError:
    return MalformedError(f"{what}: found {found}", code="token.malformed")
