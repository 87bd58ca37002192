# SPDX-License-Identifier: Apache-2.0
"""Request keys: a key that signs requests to brokers for a party, for some hours.

A party's own key may stay in a token that wants a touch for every signature, and a
runner must never hold it. So the party signs, once, a small document that names a
key made for the occasion. Whoever steals such a key can ask in the party's name
until it expires; it signs no contract, no approval and no run.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from typing import Literal

from cleanroom.contract.toml_text import document, quote, scalar
from cleanroom.contract.wire import Moment, Name, malformed, parse_document, with_bytes
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import IdentityUnprovenError, RefusedError
from cleanroom.identity.ed25519_point import validate_ed25519
from cleanroom.identity.pins import Pins
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_REQUEST_KEY_BYTES
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.wire_model import WireModel

KIND = "request-key"
MAX_LIFE = dt.timedelta(hours=24)
# How far the clocks of two machines may be apart.
CLOCK_TOLERANCE = dt.timedelta(seconds=60)
_WHAT = "request key"
_PREFIX = "ed25519:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKeyTerms:
    """Everything a request key document says, before it has bytes.

    Attributes:
        party: Party that signs it and for which the key asks.
        key: Raw Ed25519 public key, 32 bytes.
        not_before: First moment at which it counts.
        expires: First moment at which it no longer counts.
    """

    party: str
    key: bytes
    not_before: dt.datetime
    expires: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey(RequestKeyTerms):
    """A request key document as it was read."""

    raw: bytes = field(repr=False)
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedKey:
    """Proof that a pinned party lets a key ask for it now; only ``verify_request_key`` makes one.

    Attributes:
        key: The document.
        signed_with: The party's own key that signed it.
    """

    key: RequestKey
    signed_with: SSHPublicKey


class _Wire(WireModel):
    format: Literal["cleanroom.request-key.v0"]
    party: Name
    key: str
    not_before: Moment
    expires: Moment


def render_request_key(terms: RequestKeyTerms) -> bytes:
    """Write a request key document; reading it again gives the same terms."""
    return document(f"""\
# A key that asks key brokers in this party's name, and signs nothing else.
format = "cleanroom.request-key.v0"
party = {quote(terms.party)}
key = {quote(_PREFIX + encode_base64(terms.key))}
not_before = {scalar(terms.not_before)}
expires = {scalar(terms.expires)}
""")


@remembered(512)
def parse_request_key(data: bytes) -> RequestKey:
    """Read a request key document from its exact bytes.

    Raises:
        MalformedError: Not such a document, no usable key, or one for too long.
    """
    wire = parse_document(_Wire, data, what=_WHAT, kind=KIND, limit=MAX_REQUEST_KEY_BYTES)
    if not wire.key.startswith(_PREFIX):
        raise _bad("key", found="another form", agreed="ed25519: and base64")
    key = decode_base64(wire.key.removeprefix(_PREFIX), what=_WHAT)
    validate_ed25519(key, what=_WHAT)
    terms = RequestKeyTerms(
        party=wire.party,
        key=key,
        not_before=wire.not_before.astimezone(dt.UTC),
        expires=wire.expires.astimezone(dt.UTC),
    )
    if not dt.timedelta(0) < terms.expires - terms.not_before <= MAX_LIFE:
        raise _bad("expires", found="another period", agreed="at most 24 hours")
    return with_bytes(RequestKey, terms, data=data)


def verify_request_key(file: SignedFile, *, pins: Pins, at: dt.datetime) -> VouchedKey:
    """Return the key if a pinned party signed for it and it counts now.

    Raises:
        MalformedError: Not such a document.
        IdentityUnprovenError: The party is not pinned.
        IntegrityError: The signature does not match.
        RefusedError: It is not valid now.
    """
    key = parse_request_key(file.data)
    # 1. A party that the owner knows (T-03): anybody can sign for a key of its own.
    signer = pins.documents.get(key.party)
    if signer is None:
        raise IdentityUnprovenError(
            f"{_WHAT}: {key.party} is not pinned",
            code="request.party-unknown",
            hint="a broker's owner compares fingerprints, then: cleanroom party trust; "
            "a hub's operator: cleanroom hub admit",
        )
    # 2. Signed by it, for this purpose (T-17).
    signed_with = verify_file(file, kind=KIND, signer=signer, what=_WHAT)
    # 3. Now: a stolen key must die by itself (T-25).
    if not key.not_before - CLOCK_TOLERANCE <= at < key.expires:
        raise RefusedError(
            f"{_WHAT}: counts from {format_time(key.not_before)} to {format_time(key.expires)}, "
            f"the clock of whoever was asked says {format_time(at)}",
            code="request.key-expired",
            hint="run the command again, which makes a new one; or set the clock",
        )
    return VouchedKey(key=key, signed_with=signed_with)


def _bad(clause: str, *, found: str, agreed: str) -> Exception:
    return malformed(
        _WHAT,
        clause,
        found=found,
        agreed=agreed,
        code="request-key.clause",
        hint="docs/protocol/request-signature.md has the form",
    )
