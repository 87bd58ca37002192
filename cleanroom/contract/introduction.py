# SPDX-License-Identifier: Apache-2.0
"""How a process introduces itself to brokers on other machines.

A command makes a request key, lets the party sign for it once, and hands both to
the runner, which holds no other key of the party.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.contract.request_key import (
    CLOCK_TOLERANCE,
    KIND,
    RequestKeyTerms,
    parse_request_key,
    render_request_key,
)
from cleanroom.contract.signing import SigningParty, sign_document
from cleanroom.envelope.http_signature import (
    RequestTarget,
    SignatureTerms,
    content_digest,
    sign_request,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import JSONValue
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.wire_model import WireModel, validate_shape

LIFE = dt.timedelta(hours=12)
REQUEST_LIFE = dt.timedelta(seconds=60)
SEED_BYTES = 32
KEY_FIELD = "cleanroom-request-key"
KEY_SIGNATURE_FIELD = "cleanroom-request-key-signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """A request key, and the party's word for it.

    Attributes:
        party: For which party it asks.
        document: The request key document's exact bytes.
        signature: The party's armored signature over them.
        key: Signs requests.
    """

    party: str
    document: bytes
    signature: bytes
    key: Ed25519PrivateKey = field(repr=False)

    def sign(
        self, target: RequestTarget, body: bytes | Digest, *, nonce: str, at: dt.datetime
    ) -> dict[str, str]:
        """Return the header fields that make a request this party's.

        Args:
            target: What is asked, of whom.
            body: The exact body, empty for a reading request; or its digest, where that is
                known and another body is refused.
            nonce: 22 to 64 characters of base64url, drawn for this request.
            at: Now.
        """
        terms = SignatureTerms(
            created=at, expires=at + REQUEST_LIFE, nonce=nonce, key=Digest.of(self.document)
        )
        return {
            KEY_FIELD: f":{encode_base64(self.document)}:",
            KEY_SIGNATURE_FIELD: f":{encode_base64(self.signature)}:",
            **sign_request(target, digest=content_digest(body), terms=terms, key=self.key),
        }


class _Wire(WireModel):
    format: Literal["cleanroom.introduction.v0"]
    document: str
    signature: str
    key: str


def introduce(
    party: SigningParty, *, key: Ed25519PrivateKey, at: dt.datetime, life: dt.timedelta = LIFE
) -> Introduction:
    """Let a party sign for a request key, with one signature of its own key.

    Raises:
        CleanroomError: Whatever stops the signer, for example a token nobody touched.
    """
    terms = RequestKeyTerms(
        party=party.name,
        key=key.public_key().public_bytes_raw(),
        not_before=at - CLOCK_TOLERANCE,
        expires=at - CLOCK_TOLERANCE + life,
    )
    signed = sign_document(render_request_key(terms), kind=KIND, party=party)
    return Introduction(
        party=party.name,
        document=signed.data,
        signature=signed.signatures[party.name],
        key=key,
    )


def introduction_to_json(introduction: Introduction) -> dict[str, JSONValue]:
    """Write an introduction for a runner; it holds a secret key."""
    return {
        "format": "cleanroom.introduction.v0",
        "document": encode_base64(introduction.document),
        "signature": encode_base64(introduction.signature),
        "key": encode_base64(introduction.key.private_bytes_raw()),
    }


def introduction_from_json(value: object, *, what: str) -> Introduction:
    """Read an introduction; the brokers verify it, not the bearer.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_Wire, value, what=what)
    document, key = (decode_base64(text, what=what) for text in (wire.document, wire.key))
    if len(key) != SEED_BYTES:
        raise MalformedError(f"{what}: its key is not {SEED_BYTES} bytes", code="key.length")
    return Introduction(
        party=parse_request_key(document).party,
        document=document,
        signature=decode_base64(wire.signature, what=what),
        key=Ed25519PrivateKey.from_private_bytes(key),
    )
