# SPDX-License-Identifier: Apache-2.0
"""Which keys does a service sign its tokens with? Key sets (JWKS, RFC 7517) that we trust.

A key set names no maker and carries no signature. Whoever fetched it from the service
vouches for it by pinning its digest, issuer and time; the copy that travels with
evidence is compared with that pin, or it is the attester's own invention.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from cleanroom.attestation.certificates import MAX_CHAIN, load_certificate
from cleanroom.attestation.fields import base64url_field
from cleanroom.attestation.platform import CollateralFact
from cleanroom.attestation.signers import public_key, require_ordinary
from cleanroom.attestation.tokens.jws import TokenKey, UnverifiedToken, is_token_key
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.strict_json import parse_json

KEY_SET = "key-set"
MAX_KEY_SET_BYTES = 256 * 1024
MAX_KEYS = 64
# Services rotate keys within weeks; an older copy may hold a key that leaked since. Parties
# who agree on an age of their own sign it in their contract.
MAX_KEY_SET_AGE = dt.timedelta(days=7)

_CURVES: Mapping[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The key that a token's header picked among trusted ones.

    Attributes:
        key: The key.
        issuer: Whom it signs for.
        collateral: The key set that it came from.
    """

    key: TokenKey
    issuer: str
    collateral: CollateralFact


def trust_key_set(document: bytes, *, issuer: str, fetched_at: dt.datetime) -> TrustedKeySet:
    """Vouch for a key set that one fetched from the issuer oneself; it counts for a week.

    Raises:
        MalformedError: Not a key set.
    """
    parse_key_set(document)
    return TrustedKeySet(
        issuer=issuer,
        digest=Digest.of(document),
        fetched_at=fetched_at,
        max_age=MAX_KEY_SET_AGE,
    )


def signing_key(
    token: UnverifiedToken,
    *,
    document: bytes,
    trusted: tuple[TrustedKeySet, ...],
    at: dt.datetime,
    what: str,
) -> SigningKey:
    """Return the trusted key that a token names.

    Args:
        token: Only ``kid`` of its header is read.
        document: The key set that came with the evidence.
        trusted: Key sets that the relying party vouches for.
        at: The time to judge by.
        what: Subject of the messages.

    Raises:
        IntegrityError: 1. Nobody vouches for the key set. 3. No key of that name in it.
        EvidenceRefusedError: 2. The key set is too old, or from after the time judged by.
        MalformedError: 3. Not a key set, or no key named.
    """
    # 1. Keys that the attester brings sign whatever the attester likes.
    digest = Digest.of(document)
    pin = next((item for item in trusted if item.digest == digest), None)
    if pin is None:
        raise IntegrityError(
            f"{what} key set: found {digest}, agreed "
            + (", ".join(str(item.digest) for item in trusted) or "none"),
            code="token.key-set",
            hint="fetch the issuer's key set yourself and vouch for it",
        )
    # 2. A withdrawn key stays in old copies.
    expires = pin.fetched_at + pin.max_age
    if abs(at - pin.fetched_at) > pin.max_age:
        raise EvidenceRefusedError(
            f"{what} key set: judged at {format_time(at)},"
            f" fetched at {format_time(pin.fetched_at)},"
            f" agreed within {int(pin.max_age.total_seconds())} seconds",
            code="attestation.collateral-expired",
            hint="fetch the issuer's key set again",
        )
    # 3. Only a name; the algorithm and the key are the set's.
    name = token.header.get("kid")
    keys = parse_key_set(document)
    if not isinstance(name, str) or name not in keys:
        raise IntegrityError(
            f"{what}: found no key of the name in its header among the trusted, agreed one",
            code="token.key",
            hint="the issuer may have changed its keys; fetch the key set again",
        )
    return SigningKey(
        key=keys[name],
        issuer=pin.issuer,
        collateral=CollateralFact(
            name=KEY_SET, digest=digest, issued_at=pin.fetched_at, expires_at=expires
        ),
    )


def only_key_set(collateral: Mapping[str, bytes], *, what: str) -> bytes:
    """Return the key set if it is all that comes with a token.

    Raises:
        MalformedError: None, or something beside it.
    """
    if set(collateral) != {KEY_SET}:
        raise MalformedError(
            f"{what} collateral: found {', '.join(sorted(collateral)) or 'none'}, agreed {KEY_SET}",
            code="token.collateral",
        )
    return collateral[KEY_SET]


def parse_key_set(document: bytes) -> dict[str, TokenKey]:
    """Read a key set: name to key, for keys that may sign tokens.

    Raises:
        MalformedError: Not a key set, or one name twice.
    """
    value = parse_json(document, what="key set", limit=MAX_KEY_SET_BYTES)
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise _malformed(f"not an object with 1 to {MAX_KEYS} keys")
    names: set[str] = set()
    found: dict[str, TokenKey] = {}
    for entry in keys:
        name = entry.get("kid") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or name in names:
            raise _malformed("a key without a name of its own")
        names.add(name)
        key = _key(entry)
        if key is not None:
            found[name] = key
    return found


def _key(entry: Mapping[str, Any]) -> TokenKey | None:
    """Return a key that may sign tokens; RFC 7517 section 5 leaves others out."""
    try:
        key = _public_key(entry)
        if isinstance(key, rsa.RSAPublicKey):
            require_ordinary(key, what="key set")
    except (ValueError, MalformedError):
        return None
    return key if is_token_key(key) and entry.get("use", "sig") == "sig" else None


def _public_key(entry: Mapping[str, Any]) -> PublicKeyTypes:
    if "x5c" in entry:
        # Who issued the certificate, nobody asks: the set as a whole is trusted.
        return public_key(certificates(entry["x5c"], what="key set")[0], what="key set")
    if entry.get("kty") == "RSA":
        return rsa.RSAPublicNumbers(e=_number(entry, "e"), n=_number(entry, "n")).public_key()
    curve, size = _CURVES.get(str(entry.get("crv")), (None, 0))
    x, y = (base64url_field(entry.get(name), what="key set") for name in "xy")
    if entry.get("kty") != "EC" or curve is None or len(x) != size or len(y) != size:
        raise ValueError
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\4" + x + y)


def certificates(value: object, *, what: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of an ``x5c`` member (RFC 7515 section 4.1.6), leaf first.

    Raises:
        MalformedError: Not 1 to ``MAX_CHAIN`` certificates in base64.
    """
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CHAIN:
        raise MalformedError(
            f"{what}: found no list of 1 to {MAX_CHAIN} certificates", code="token.certificates"
        )
    return tuple(
        load_certificate(
            decode_base64(item if isinstance(item, str) else "-", what=what), what=what
        )
        for item in value
    )


def _number(entry: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(base64url_field(entry.get(name), what="key set"), "big")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"key set: found {found}", code="token.key-set-malformed")
