# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes: signatures over statements that machines make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of an envelope, and which key it claims."""

    keyid: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and its signatures; proves nothing until verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def sign_statement(payload: bytes, private_key: Ed25519PrivateKey) -> Envelope:
    """Sign a statement's exact bytes."""
    raise NotImplementedError(payload, private_key)


def parse_envelope(data: bytes | Mapping[str, Any], *, what: str, limit: int) -> Envelope:
    """Read an envelope; nothing in it is verified yet."""
    raise NotImplementedError(data, what, limit)


def to_json(envelope: Envelope) -> dict[str, Any]:
    """Return the JSON form of an envelope."""
    raise NotImplementedError(envelope)


def verify_envelope(envelope: Envelope, public_key: bytes, *, what: str) -> bytes:
    """Return the payload, signed by this key."""
    raise NotImplementedError(envelope, public_key, what)
