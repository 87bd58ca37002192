# SPDX-License-Identifier: Apache-2.0
"""From evidence to claims: one entrance for every platform.

Pure: the time, the expected binding and the trust come in, and nothing is
fetched. A platform's own verifier does the cryptography; what it must not be
able to forget is checked here once more.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.binding import check_binding_length, require_binding
from cleanroom.attestation.evidence import Evidence
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.trust import TrustStore
from cleanroom.errors import EvidenceRefusedError


def verify_evidence(
    evidence: Evidence, *, binding: bytes, at: dt.datetime, trust: TrustStore
) -> Claims:
    """Return what genuine evidence claims about the run that ``binding`` names.

    Args:
        evidence: Unverified evidence.
        binding: All 64 bytes of :func:`cleanroom.attestation.binding.bind64` over
            the runtime data exactly as received.
        at: The time to judge roots and certificates by.
        trust: Which platforms are believed, and by which roots.

    Raises:
        MalformedError: 1. The binding is not whole, or the evidence is not of its format.
        EvidenceRefusedError: 2. The platform is not trusted, or 3. the evidence is
            out of its time, or speaks of another run.
        IntegrityError: 3. A root or a signature does not match.
    """
    # 1. A short expectation would be met by any evidence with the same prefix.
    check_binding_length(binding)
    # 2. Unknown kinds fail closed before a byte of the report is parsed.
    verifier = trust.verifier_for(evidence.platform)
    # 3. The platform's own checks: format, root, time, signature, binding.
    claims = verifier.verify(evidence, binding=binding, at=at)
    # 4. A platform that forgets the binding would accept every replay, and one that
    # names another platform would borrow its standing.
    require_binding(binding, claims.binding)
    if claims.platform != evidence.platform or claims.confidential != verifier.confidential:
        raise EvidenceRefusedError(
            f"platform: found claims of {claims.platform}, agreed {evidence.platform}",
            code="attestation.platform",
        )
    return claims
