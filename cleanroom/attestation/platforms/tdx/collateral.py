# SPDX-License-Identifier: Apache-2.0
"""Intel's collateral: is it Intel's, is it current, and does it speak of this platform?

One item, ``dcap``: the JSON object that Intel's quote verification library calls
``sgx_ql_qve_collateral_t`` and dcap-qvl ``QuoteCollateralV3``. Nine texts: three
issuer chains as PEM, two revocation lists and two signatures in hexadecimal,
and the signed TCB info and identity of the quoting enclave, verbatim. Older caching
services write the lists as PEM or base64; they are read all the same, and handed to
the second verifier in hexadecimal.

The second verifier checks all of this again and derives the TCB level from it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509

from cleanroom.attestation.certificates import load_certificate, verify_chain
from cleanroom.attestation.pem import split_pem
from cleanroom.attestation.platform import CollateralFact
from cleanroom.attestation.platforms.tdx.levels import Levels, read_levels
from cleanroom.attestation.platforms.tdx.parse import SGX_TEE
from cleanroom.attestation.platforms.tdx.root import IntelPins
from cleanroom.attestation.platforms.tdx.structure import SoundQuote, require_p256_signature
from cleanroom.attestation.revocation import load_crl, require_current, require_not_revoked
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.clock import parse_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import decode_base64
from cleanroom.kernel.strict_json import parse_json

MAX_COLLATERAL_BYTES = 512 * 1024
# What Intel's service of version 4 answers with.
TCB_INFO_VERSION, IDENTITY_VERSION = 3, 2
_TEXTS = (
    "pck_crl_issuer_chain",
    "root_ca_crl",
    "pck_crl",
    "tcb_info_issuer_chain",
    "tcb_info",
    "tcb_info_signature",
    "qe_identity_issuer_chain",
    "qe_identity",
    "qe_identity_signature",
)
# Written by newer tools beside the nine: the chain of the quote once more. Never read,
# because the quote carries its own.
_OPTIONAL = "pck_certificate_chain"
_LISTS = ("root_ca_crl", "pck_crl")
_LIST_PEM = re.compile(
    r"-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*\0?", re.ASCII
)
# DER of a list begins with a sequence of more than 127 bytes; so in base64.
_LIST_BASE64 = "MI"
_WHAT = "dcap collateral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """The nine texts; unverified.

    Attributes:
        texts: Name to text.
        pck_chain: PEM of PCK certificate, issuer and root; empty if there is none. For a
            quote that brings its own, nobody reads it.
    """

    texts: Mapping[str, str]
    pck_chain: str


def parse_collateral(data: bytes) -> Collateral:
    """Read the object.

    Raises:
        MalformedError: Not closed JSON of these texts.
    """
    value = parse_json(data, what=_WHAT, limit=MAX_COLLATERAL_BYTES)
    if not isinstance(value, dict):
        raise _malformed("no JSON object")
    texts = {name: text for name, text in value.items() if name != _OPTIONAL}
    if texts.keys() != set(_TEXTS) or not all(isinstance(text, str) for text in texts.values()):
        raise _malformed("other members than the nine texts")
    chain = value.get(_OPTIONAL)
    return Collateral(
        texts=texts | {name: _list(texts[name], name) for name in _LISTS},
        pck_chain=chain if isinstance(chain, str) else "",
    )


def check_collateral(
    collateral: Collateral, sound: SoundQuote, *, pins: IntelPins, at: dt.datetime
) -> tuple[tuple[CollateralFact, ...], Levels]:
    """Return how old each piece is, and our reading of it.

    Only after it proved to be Intel's and about this platform.

    Raises:
        MalformedError: A piece is not of its format.
        IntegrityError: A pin or a signature does not match, or the piece is about
            another platform or quoting enclave.
        EvidenceRefusedError: A piece is out of its time, a certificate is revoked, or
            firmware is revoked or at no level.
    """
    texts, chain = collateral.texts, sound.chain
    # 1. The lists first: a revoked certificate must not vouch for anything below.
    root_crl = load_crl(_hex(texts, "root_ca_crl"), what="intel root crl")
    tcb_signer = _signer(texts, "tcb_info", pins=pins, at=at)
    identity_signer = _signer(texts, "qe_identity", pins=pins, at=at)
    root_dates = require_not_revoked(
        root_crl,
        {
            "pck issuer": chain.middle.serial_number,
            "tcb info signer": tcb_signer.serial_number,
            "qe identity signer": identity_signer.serial_number,
        },
        issuer=chain.root,
        at=at,
        what="intel root crl",
    )
    pck_dates = require_not_revoked(
        load_crl(_hex(texts, "pck_crl"), what="pck crl"),
        {"pck certificate": chain.leaf.serial_number},
        issuer=chain.middle,
        at=at,
        what="pck crl",
    )
    # 2. Levels of another platform, or of long ago, would call old firmware current.
    info, info_dates = _signed(texts, "tcb_info", tcb_signer, at=at)
    _require_version(info, TCB_INFO_VERSION, what="tcb info")
    _require_platform(info, sound)
    # 3. Which enclaves may quote is Intel's word too (CVE-2026-22696).
    identity, identity_dates = _signed(texts, "qe_identity", identity_signer, at=at)
    _require_version(identity, IDENTITY_VERSION, what="qe identity")
    _require_identity(identity, sound)
    dates = (
        _fact("root-crl", _hex(texts, "root_ca_crl"), root_dates),
        _fact("pck-crl", _hex(texts, "pck_crl"), pck_dates),
        _fact("tcb-info", texts["tcb_info"].encode(), info_dates),
        _fact("qe-identity", texts["qe_identity"].encode(), identity_dates),
    )
    # 4. Intel's word on how current all of it is.
    return dates, read_levels(info, identity, sound)


def _signer(
    texts: Mapping[str, str], name: str, *, pins: IntelPins, at: dt.datetime
) -> x509.Certificate:
    what = f"{name.replace('_', ' ')} signer"
    found = split_pem(texts[f"{name}_issuer_chain"].encode(), what=what)
    if len(found) != 2:  # noqa: PLR2004 - signer and root
        raise _malformed(f"{len(found)} certificates of the {what} against 2")
    signer, root = (load_certificate(item, what=what) for item in found)
    verify_chain((signer, root), pin=pins.root, at=at, what=what)
    return signer


def _signed(
    texts: Mapping[str, str], name: str, signer: x509.Certificate, *, at: dt.datetime
) -> tuple[dict[str, Any], tuple[dt.datetime, dt.datetime]]:
    what = name.replace("_", " ")
    raw = texts[name].encode()
    require_p256_signature(signer, _hex(texts, f"{name}_signature"), raw, what=what)
    value = parse_json(raw, what=what, limit=MAX_COLLATERAL_BYTES)
    if not isinstance(value, dict):
        raise _malformed(f"{what} that is no object")
    issued_at = parse_time(value.get("issueDate", ""), what=what)
    expires_at = parse_time(value.get("nextUpdate", ""), what=what)
    require_current(issued_at, expires_at, at=at, what=what)
    return value, (issued_at, expires_at)


def _require_version(document: Mapping[str, Any], agreed: int, *, what: str) -> None:
    # Older answers name components otherwise, and no platform that they are for.
    found = document.get("version")
    if type(found) is not int or found != agreed:
        text = str(found) if isinstance(found, int) else "none"
        raise MalformedError(
            f"{what}: found version {text}, agreed {agreed}",
            code="dcap.collateral-version",
            hint="fetch it from version 4 of Intel's service; attest fetch does",
        )


def _require_platform(info: Mapping[str, Any], sound: SoundQuote) -> None:
    kind = "SGX" if sound.quote.tee == SGX_TEE else "TDX"
    found = (info.get("id"), _lower(info.get("fmspc")), _lower(info.get("pceId")))
    agreed = (kind, sound.platform.fmspc.hex(), sound.platform.pceid.hex())
    if found != agreed:
        raise IntegrityError(
            f"tcb info: made for another platform, agreed {' '.join(agreed)}",
            code="dcap.tcb-info-platform",
            hint="fetch the TCB info of this platform's FMSPC",
        )


def _require_identity(identity: Mapping[str, Any], sound: SoundQuote) -> None:
    enclave = sound.quote.enclave
    attributes = enclave.flags.to_bytes(8, "little") + enclave.xfrm.to_bytes(8, "little")
    agreed = (
        "QE" if sound.quote.tee == SGX_TEE else "TD_QE",
        enclave.mrsigner.hex(),
        enclave.product_id,
        True,
        True,
    )
    found = (
        identity.get("id"),
        _lower(identity.get("mrsigner")),
        identity.get("isvprodid"),
        _masked(identity, "attributes", attributes),
        # Both are written as little-endian bytes.
        _masked(identity, "miscselect", enclave.miscselect.to_bytes(4, "little")),
    )
    if found != agreed:
        raise IntegrityError(
            "qe identity: another quoting enclave, agreed the quote's", code="dcap.qe-identity"
        )


def _masked(identity: Mapping[str, Any], name: str, found: bytes) -> bool:
    try:
        value = bytes.fromhex(_lower(identity.get(name)))
        mask = bytes.fromhex(_lower(identity.get(f"{name}Mask")))
    except ValueError:
        return False
    if not len(value) == len(mask) == len(found):
        return False
    return all(byte & bits == want for byte, bits, want in zip(found, mask, value, strict=True))


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _list(text: str, name: str) -> str:
    """Write a revocation list in hexadecimal, whichever of its usual forms it has."""
    pem = _LIST_PEM.fullmatch(text.strip())
    if pem is None and not text.startswith(_LIST_BASE64):
        return text
    encoded = "".join((pem[1] if pem else text).split())
    return decode_base64(encoded, what=f"{_WHAT} {name}").hex()


def _hex(texts: Mapping[str, str], name: str) -> bytes:
    try:
        return bytes.fromhex(texts[name])
    except ValueError:
        raise _malformed(f"{name} that is not hexadecimal") from None


def _fact(name: str, data: bytes, dates: tuple[dt.datetime, dt.datetime]) -> CollateralFact:
    return CollateralFact(
        name=name, digest=Digest.of(data), issued_at=dates[0], expires_at=dates[1]
    )


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="dcap.collateral")
