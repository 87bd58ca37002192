# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes: signatures over statements that machines make.

A subset of DSSE v1 that other people's libraries verify: Ed25519, one signature,
one payload type. One signature, because a statement has one author; whatever else
lay in the envelope would be carried along without anybody having checked it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.ed25519_point import validate_ed25519
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class _SignatureWire(WireModel):
    keyid: str
    sig: str


class _Wire(WireModel):
    payload: str
    payloadType: str  # noqa: N815 - spelled so in DSSE
    signatures: list[_SignatureWire]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of an envelope.

    Attributes:
        keyid: Hexadecimal SHA-256 of the raw public key that is claimed.
        value: The 64 bytes.
    """

    keyid: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and its signature; proves nothing until verified.

    Attributes:
        payload_type: What the payload claims to be; signed with it.
        payload: The exact bytes.
        signatures: Exactly one passes verification.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def sign_statement(payload: bytes, private_key: Ed25519PrivateKey) -> Envelope:
    """Sign a statement's exact bytes."""
    public = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    value = private_key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    signature = Signature(keyid=key_identifier(public), value=value)
    return Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(signature,))


def parse_envelope(data: bytes | Mapping[str, Any], *, what: str, limit: int) -> Envelope:
    """Read an envelope; nothing in it is verified yet.

    Args:
        data: The JSON bytes, or the object where it is part of a larger document.
        what: Subject of error messages.
        limit: Largest accepted length in bytes, of the JSON or of the encoded payload.

    Raises:
        MalformedError: Not an envelope.
    """
    value = parse_json(data, what=what, limit=limit) if isinstance(data, bytes) else dict(data)
    wire = validate_shape(_Wire, value, what=what)
    if len(wire.payload) > limit:
        raise MalformedError(f"{what}: larger than {limit} bytes", code="format.oversize")
    return Envelope(
        payload_type=wire.payloadType,
        payload=decode_base64(wire.payload, what=what),
        signatures=tuple(
            Signature(keyid=each.keyid, value=decode_base64(each.sig, what=what))
            for each in wire.signatures
        ),
    )


def to_json(envelope: Envelope) -> dict[str, Any]:
    """Return the JSON form of an envelope."""
    return {
        "payload": encode_base64(envelope.payload),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"keyid": each.keyid, "sig": encode_base64(each.value)} for each in envelope.signatures
        ],
    }


def verify_envelope(envelope: Envelope, public_key: bytes, *, what: str) -> bytes:
    """Return the payload, signed by this key and nothing unchecked beside it.

    Args:
        envelope: The unverified envelope.
        public_key: Raw Ed25519 key, from a pinned or attested source.
        what: Subject of error messages.

    Raises:
        MalformedError: Another payload type, not exactly one signature, or no usable key.
        IntegrityError: Signed by another key, or over other bytes.
    """
    validate_ed25519(public_key, what=f"{what}: key")
    # 1. The type, or a statement of another protocol could pass for ours.
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedError(f"{what}: not an in-toto statement", code="dsse.type")
    # 2. One signature: a second one would be carried along unchecked.
    if len(envelope.signatures) != 1:
        raise MalformedError(f"{what}: not exactly one signature", code="dsse.signatures")
    signature = envelope.signatures[0]
    # 3. The key identifier is only a claim, yet a wrong one says whose key to look for.
    if signature.keyid != key_identifier(public_key):
        _refuse_signature(what, "signed with another key than agreed", "dsse.key")
    # 4. The signature, over the type and the payload with their lengths.
    signed = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature.value, signed)
    except InvalidSignature:
        _refuse_signature(what, "the signature does not match the bytes", "dsse.signature")
    return envelope.payload


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers; lengths are of encoded bytes."""
    encoded = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def key_identifier(public_key: bytes) -> str:
    """Return how our envelopes name a raw Ed25519 key."""
    return hashlib.sha256(public_key).hexdigest()


def _refuse_signature(what: str, found: str, code: str) -> NoReturn:
    raise IntegrityError(
        f"{what}: {found}",
        code=code,
        hint="it was altered after it was signed, or somebody else signed it: fetch it again",
    )
