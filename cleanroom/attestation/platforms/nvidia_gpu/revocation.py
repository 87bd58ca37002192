# SPDX-License-Identifier: Apache-2.0
"""Has a certificate been withdrawn? Signed answers (OCSP, RFC 6960) as collateral.

NVIDIA withdraws the certificates of chips and of manifests one by one, and puts some
on hold while a bad VBIOS or driver is about. An answer on hold is an answer of no.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from cleanroom.attestation.certificates import fingerprint, require_issued, require_valid
from cleanroom.attestation.platform import CollateralFact
from cleanroom.attestation.signers import SHA2, elliptic_key, find_extension
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest

MAX_RESPONSE_BYTES = 16 * 1024
_WHAT = "nvidia ocsp"

Chain = Sequence[x509.Certificate]


def check_response(
    data: bytes, *, chains: Sequence[Chain], at: dt.datetime
) -> tuple[Digest, CollateralFact]:
    """Return which certificate a good answer is about, and from when until when it holds.

    Args:
        data: The DER of one answer.
        chains: Verified chains, leaf first; the answer must be about one of their members.
        at: The time to judge by.

    Raises:
        MalformedError: 1. Not one answer in DER. 2. About none of these certificates.
        IntegrityError: 3. Signed by somebody who may not answer.
        EvidenceRefusedError: 4. Too old or not yet valid. 5. Revoked, on hold, or unknown.
    """
    # 1. One answer, so that no second one says the opposite.
    response = _load(data)
    # 2. An answer about another certificate says nothing about this one.
    certificate, issuers = _subject(response, chains)
    # 3. Anybody may hand over an answer; only its issuer's word counts.
    _require_signed(response, issuers, at=at)
    # 4. Yesterday's good answer outlives today's revocation.
    expires = _require_current(response, at=at)
    # 5. Hold is no lesser form of good.
    _require_good(response)
    fact = CollateralFact(
        name="ocsp",
        digest=Digest.of(data),
        issued_at=response.this_update_utc,
        expires_at=expires,
    )
    return fingerprint(certificate), fact


def answered_serial(data: bytes) -> int:
    """Return which serial number an answer is about; unverified.

    Raises:
        MalformedError: Not one answer in DER.
    """
    return _load(data).serial_number


def _load(data: bytes) -> ocsp.OCSPResponse:
    if len(data) > MAX_RESPONSE_BYTES:
        raise _malformed(f"{len(data)} bytes against a limit of {MAX_RESPONSE_BYTES}")
    try:
        response = ocsp.load_der_ocsp_response(data)
        _ = (response.serial_number, response.certificate_status, response.this_update_utc)
        _ = (response.signature_hash_algorithm, response.hash_algorithm, response.certificates)
    except (ValueError, UnsupportedAlgorithm):
        raise _malformed("not one successful answer in DER") from None
    return response


def _subject(
    response: ocsp.OCSPResponse, chains: Sequence[Chain]
) -> tuple[x509.Certificate, Chain]:
    for chain in chains:
        for depth, certificate in enumerate(chain[:-1]):
            if response.serial_number == certificate.serial_number and _issued_by(
                response, chain[depth + 1]
            ):
                return certificate, chain[depth + 1 :]
    raise _malformed("an answer about none of the certificates")


def _issued_by(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    # Two makers may use one serial number; the issuer's name and key tell them apart.
    if not isinstance(response.hash_algorithm, SHA2):
        return False
    key = elliptic_key(issuer, curve=ec.SECP384R1, what=_WHAT)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hmac.compare_digest(
        response.issuer_name_hash + response.issuer_key_hash,
        _hash(response.hash_algorithm, issuer.subject.public_bytes())
        + _hash(response.hash_algorithm, point),
    )


def _hash(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    state = hashes.Hash(algorithm)
    state.update(data)
    return state.finalize()


def _require_signed(response: ocsp.OCSPResponse, issuers: Chain, *, at: dt.datetime) -> None:
    signer = _delegate(response, issuers, at=at) if response.certificates else issuers[0]
    key = elliptic_key(signer, curve=ec.SECP384R1, what=_WHAT)
    algorithm = response.signature_hash_algorithm
    if not isinstance(algorithm, SHA2):
        raise IntegrityError(
            f"{_WHAT}: signed with no SHA-2 hash", code="attestation.certificate-algorithm"
        )
    try:
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise IntegrityError(
            f"{_WHAT}: the signature does not match", code="attestation.signature"
        ) from None


def _delegate(response: ocsp.OCSPResponse, issuers: Chain, *, at: dt.datetime) -> x509.Certificate:
    # RFC 6960 section 4.2.2.2: a delegate is issued for answering by an authority
    # that stands above the certificate; here any of its verified chain.
    signer = response.certificates[0]
    usage = find_extension(signer, x509.ExtendedKeyUsage)
    if usage is None or x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
        raise IntegrityError(
            f"{_WHAT}: signed by a certificate that is not for answering",
            code="nvidia.ocsp-signer",
        )
    issuer = next((item for item in issuers if item.subject == signer.issuer), issuers[0])
    require_issued(signer, issuer, what=_WHAT)
    require_valid(signer, at=at, what=_WHAT)
    return signer


def _require_current(response: ocsp.OCSPResponse, *, at: dt.datetime) -> dt.datetime:
    start, end = response.this_update_utc, response.next_update_utc
    if end is None or not start <= at <= end:
        until = format_time(end) if end else "never said"
        raise EvidenceRefusedError(
            f"{_WHAT}: judged at {format_time(at)}, answered {format_time(start)} until {until}",
            code="attestation.collateral-expired",
            hint="fetch the answers again",
        )
    return end


def _require_good(response: ocsp.OCSPResponse) -> None:
    status = response.certificate_status
    if status is ocsp.OCSPCertStatus.GOOD:
        return
    held = response.revocation_reason is x509.ReasonFlags.certificate_hold
    found = "on hold" if held else status.name.lower()
    raise EvidenceRefusedError(
        f"{_WHAT}: found certificate {found}, agreed good",
        code=f"nvidia.certificate-{'hold' if held else status.name.lower()}",
        hint="the maker withdrew this chip, driver or VBIOS; it says which in its bulletins",
    )


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"{_WHAT}: found {found}", code="nvidia.ocsp")
