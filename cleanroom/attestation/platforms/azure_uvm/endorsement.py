# SPDX-License-Identifier: Apache-2.0
"""An endorsement of a launch measurement: COSE_Sign1 (RFC 9052), tagged, around JSON.

Source: Microsoft, confidential-sidecar-containers, ``uvm_reference_info``.

=============  ==========================================================
protected      value
=============  ==========================================================
1              -38: RSASSA-PSS with SHA-384
3              ``application/json``
33             certificates, leaf first, root last
34             SHA-256 of the leaf, optional
iss            ``did:x509:0:sha256:`` root ``::eku:`` purpose
feed           which product
signingtime    tag 1, seconds; optional, and only the signer's word
=============  ==========================================================

The payload names ``x-ms-sevsnpvm-launchmeasurement``, 48 bytes in hexadecimal, and
``x-ms-sevsnpvm-guestsvn``, digits. Unprotected members (a time stamp) nobody signed; they
are not read.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import MAX_CHAIN, load_certificate, verify_chain
from cleanroom.attestation.platforms.azure_uvm.root import FEEDS, PURPOSE
from cleanroom.attestation.platforms.nitro.cbor import CBORValue, decode, encode
from cleanroom.attestation.progress import held
from cleanroom.attestation.signers import find_extension, require_signer, rsa_key
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json

MAX_ENDORSEMENT_BYTES = 64 * 1024
COSE_SIGN1 = 0xD2  # tag 18
_TIME_TAG = frozenset({1})
_PS384, _JSON = -38, "application/json"
_ALGORITHM, _CONTENT, _CHAIN, _THUMBPRINT = 1, 3, 33, 34
_SHA256 = -16
_REQUIRED = {_ALGORITHM, _CONTENT, _CHAIN, "iss", "feed"}
_KNOWN = _REQUIRED | {_THUMBPRINT, "signingtime"}
_MEASUREMENT = re.compile(r"[0-9a-f]{96}")
_SVN = re.compile(r"0|[1-9][0-9]{0,9}")
_SALT_BYTES = 48
_WHAT = "uvm endorsement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """A genuine endorsement.

    Attributes:
        digest: SHA-256 of the exact document.
        feed: Which product.
        measurement: Launch measurement of the utility VM, 48 bytes.
        guest_svn: Security version of that utility VM.
        chain: The signer's certificates, leaf first.
    """

    digest: Digest
    feed: str
    measurement: bytes
    guest_svn: int
    chain: tuple[x509.Certificate, ...]


def verify_endorsement(data: bytes, *, root: Digest, at: dt.datetime) -> Endorsement:
    """Return what Microsoft endorses.

    Args:
        data: The document.
        root: Pin of the root.
        at: The time to judge certificates by.

    Raises:
        MalformedError: 1. Not such a document. 5. A payload of another form.
        IntegrityError: 2. Another root, or a chain that does not hold. 3. The signature
            does not match.
        EvidenceRefusedError: 2. A certificate out of its time. 4. Another issuer, purpose
            or product.
    """
    # 1. One algorithm, and no member that could change what the others mean.
    protected, header, payload, signature = _pieces(data)
    chain = _certificates(header[_CHAIN])
    held("form of the endorsement")
    # 2. The root in the document is data; only the pin is ours.
    verify_chain(chain, pin=root, at=at, what=_WHAT)
    require_signer(chain, what=_WHAT)
    held("certificate chain to the pinned root, and its time")
    # 3. Over the payload as received.
    _require_signature(chain[0], signature, encode(["Signature1", protected, b"", payload]))
    held("signature of the endorsement")
    # 4. The root vouches for signers of everything that Microsoft ships.
    _require_product(header, chain[0], root)
    held("issuer, purpose and product")
    # 5. What it says.
    members = parse_json(payload, what=_WHAT, limit=MAX_ENDORSEMENT_BYTES)
    measurement = _member(members, "x-ms-sevsnpvm-launchmeasurement", _MEASUREMENT)
    return Endorsement(
        digest=Digest.of(data),
        feed=str(header["feed"]),
        measurement=bytes.fromhex(measurement),
        guest_svn=int(_member(members, "x-ms-sevsnpvm-guestsvn", _SVN)),
        chain=chain,
    )


def require_endorsed(found: Endorsement, measurement: bytes) -> None:
    """Refuse an endorsement of another utility VM than the one that a report measured.

    Raises:
        EvidenceRefusedError: It names another launch measurement.
    """
    if not hmac.compare_digest(found.measurement, measurement):
        raise EvidenceRefusedError(
            f"{_WHAT}: found one of {found.measurement.hex()},"
            f" agreed the report's {measurement.hex()}",
            code="azure.uvm-measurement",
            hint="the machine runs another utility VM; take the endorsement from its own host",
        )


def _pieces(data: bytes) -> tuple[bytes, dict[int | str, CBORValue], bytes, bytes]:
    if len(data) > MAX_ENDORSEMENT_BYTES:
        raise _malformed(f"{len(data)} bytes, agreed at most {MAX_ENDORSEMENT_BYTES}")
    if data[:1] != bytes([COSE_SIGN1]):
        raise _malformed("another beginning, agreed a tagged COSE_Sign1")
    envelope = decode(data[1:], what=_WHAT)
    if not isinstance(envelope, list) or len(envelope) != 4:  # noqa: PLR2004 - COSE_Sign1
        raise _malformed("another structure, agreed COSE_Sign1")
    protected, _, payload, signature = envelope
    if not (
        isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)
    ):
        raise _malformed("members of COSE_Sign1 of other kinds, agreed bytes")
    header = decode(protected, what=_WHAT, tags=_TIME_TAG)
    if not isinstance(header, dict) or not _REQUIRED <= header.keys() <= _KNOWN:
        raise _malformed(f"other members, agreed {', '.join(map(str, sorted(map(str, _KNOWN))))}")
    if (header[_ALGORITHM], header[_CONTENT]) != (_PS384, _JSON):
        raise _malformed("another algorithm or content, agreed PS384 over JSON")
    return protected, header, payload, signature


def _certificates(value: CBORValue) -> tuple[x509.Certificate, ...]:
    items = value if isinstance(value, list) else []
    encoded = [item for item in items if isinstance(item, bytes)]
    if not 1 < len(items) <= MAX_CHAIN or len(encoded) != len(items):
        raise _malformed(f"no list of certificates, agreed 2 to {MAX_CHAIN}")
    return tuple(load_certificate(item, what=_WHAT) for item in encoded)


def _require_signature(leaf: x509.Certificate, signature: bytes, signed: bytes) -> None:
    pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=_SALT_BYTES)
    try:
        rsa_key(leaf, what=_WHAT).verify(signature, signed, pss, SHA384())
    except InvalidSignature:
        raise IntegrityError(
            f"{_WHAT}: the signature does not match", code="attestation.signature"
        ) from None


def is_endorsement(data: bytes) -> bool:
    """Tell whether bytes begin like a tagged COSE_Sign1; decides nothing."""
    # A tag and an array of four: nothing else of what is known here begins with a tag.
    return data[:2] == bytes([COSE_SIGN1, 0x84])


def _require_product(
    header: Mapping[int | str, CBORValue], leaf: x509.Certificate, root: Digest
) -> None:
    pinned = base64.urlsafe_b64encode(bytes.fromhex(root.hex)).rstrip(b"=").decode("ascii")
    usage = find_extension(leaf, x509.ExtendedKeyUsage)
    purposes = [] if usage is None else [purpose.dotted_string for purpose in usage]
    thumbprint = [_SHA256, hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()]
    agreed: Mapping[str, bool] = {
        "issuer": header["iss"] == f"did:x509:0:sha256:{pinned}::eku:{PURPOSE}",
        "purpose of the signer": PURPOSE in purposes,
        "product": header["feed"] in FEEDS,
        "thumbprint": header.get(_THUMBPRINT, thumbprint) == thumbprint,
    }
    for name, holds in agreed.items():
        if not holds:
            raise EvidenceRefusedError(
                f"{_WHAT}: found another {name}, agreed that of {', '.join(sorted(FEEDS))}",
                code="azure.uvm-product",
            )


def _member(members: Any, name: str, pattern: re.Pattern[str]) -> str:  # noqa: ANN401 - JSON
    value = members.get(name) if isinstance(members, dict) else None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _malformed(f"no {name}, agreed {pattern.pattern}")
    return value


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="azure.uvm")
