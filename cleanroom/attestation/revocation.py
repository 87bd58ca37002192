# SPDX-License-Identifier: Apache-2.0
"""Is this dated document current, and does a revocation list name a certificate?

Lists come with the evidence or from an operator's cache. They are believed
because their issuer signed them, and only until the next one is due.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import quiet_reading
from cleanroom.attestation.der import require_signed_envelope
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.clock import format_time

MAX_CRL_BYTES = 256 * 1024


def require_current(
    not_before: dt.datetime, not_after: dt.datetime, *, at: dt.datetime, what: str
) -> None:
    """Refuse what is not valid at the given time.

    Raises:
        EvidenceRefusedError: Too early or too late; the message says which.
    """
    if at < not_before:
        raise EvidenceRefusedError(
            f"{what}: judged at {format_time(at)}, valid from {format_time(not_before)}",
            code="attestation.not-yet-valid",
            hint="check the clock of this machine",
        )
    if at > not_after:
        raise EvidenceRefusedError(
            f"{what}: judged at {format_time(at)}, valid until {format_time(not_after)}",
            code="attestation.expired",
            hint="fetch it again, or judge the evidence at the time it was used",
        )


def load_crl(data: bytes, *, what: str) -> x509.CertificateRevocationList:
    """Read a revocation list in DER, or in PEM.

    Raises:
        MalformedError: Neither, too long, or one without an end.
    """
    if len(data) > MAX_CRL_BYTES:
        raise _malformed(what, "too long")
    load = x509.load_pem_x509_crl if data.startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        with quiet_reading():
            crl = load(data)
            # Read lazily, these refuse what does not parse only when they are asked for.
            ends, _, _ = crl.next_update_utc, crl.last_update_utc, crl.issuer
    except (ValueError, TypeError, x509.InvalidVersion):
        raise _malformed(what, "not a revocation list") from None
    require_signed_envelope(crl.public_bytes(Encoding.DER), what=what)
    if ends is None:
        raise _malformed(what, "without a next update")
    return crl


def require_not_revoked(
    crl: x509.CertificateRevocationList,
    serials: Mapping[str, int],
    *,
    issuer: x509.Certificate,
    at: dt.datetime,
    what: str,
) -> tuple[dt.datetime, dt.datetime]:
    """Refuse a list that is not the issuer's or not current, and certificates that are on it.

    Args:
        crl: The list.
        serials: Name to serial number of the certificates that this issuer made.
        issuer: Who must have signed the list.
        at: The time to judge by.
        what: The list's name, for messages.

    Returns:
        When the list was made, and when the next one is due.

    Raises:
        IntegrityError: Another issuer, or a signature that does not match.
        EvidenceRefusedError: The list is out of its time, or a certificate is on it.
    """
    if crl.issuer != issuer.subject or not _signed_by(crl, issuer):
        raise IntegrityError(f"{what}: not signed by its issuer", code="attestation.crl-signature")
    ends = crl.next_update_utc or crl.last_update_utc
    require_current(crl.last_update_utc, ends, at=at, what=what)
    for name, serial in serials.items():
        if crl.get_revoked_certificate_by_serial_number(serial) is not None:
            raise EvidenceRefusedError(
                f"{name}: revoked by its issuer, agreed one that is not",
                code="attestation.revoked",
                hint="the vendor withdrew this certificate; the machine cannot be believed",
            )
    return crl.last_update_utc, ends


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _malformed(what: str, found: str) -> MalformedError:
    return MalformedError(f"{what}: {found}", code="attestation.crl")
