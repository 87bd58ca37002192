# SPDX-License-Identifier: Apache-2.0
"""Was the evidence genuine, and as agreed, when each broker released its keys?

Evidence is judged at the broker-signed release times, never at today's date: a
certificate that ran out since does not undo a run, and one that had not begun
does not serve it.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, parse_evidence
from cleanroom.attestation.result import AttestationResult
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.contract import AttestationProfile
from cleanroom.contract.statements import KeyRelease
from cleanroom.receipt.model import ReceiptBody
from cleanroom.receipt.steps import Found, require_same


def verify_attestation(
    body: ReceiptBody,
    agreement: Agreement,
    *,
    runtime: RuntimeData,
    releases: Mapping[str, KeyRelease],
) -> Found[Mapping[str, AttestationResult]]:
    """Repeat every broker's appraisal, and compare the platform and the loud text.

    Raises:
        MalformedError: Evidence that is none.
        IntegrityError: A root or signature does not match, a broker signed another
            appraisal, or the receipt names another platform or leaves out its banner.
        EvidenceRefusedError: Genuine evidence of something the contract does not accept.
    """
    profile = agreement.contract.attestation
    evidence = parse_evidence(body.evidence)
    results = {
        owner: _appraised_at_release(release, evidence=evidence, runtime=runtime, profile=profile)
        for owner, release in releases.items()
    }
    for owner, result in results.items():
        source = f"the key release of {owner}"
        # The broker signed a verdict; a different one was relied on elsewhere.
        require_same(
            dict(result.to_ear()), dict(releases[owner].appraisal), what="appraisal", source=source
        )
        require_same(body.platform, result.platform, what="platform", source="the evidence")
        require_same(body.banner, result.banner, what="banner", source="the evidence")
    result = next(iter(results.values()))
    loud = f"; {result.banner}" if result.banner else ""
    return Found(text=f"{result.platform}, {result.status.value}{loud}", value=results)


def _appraised_at_release(
    release: KeyRelease, *, evidence: Evidence, runtime: RuntimeData, profile: AttestationProfile
) -> AttestationResult:
    at = release.released_at
    claims = verify_evidence(evidence, binding=bind64(runtime.raw), at=at, trust=trust_for(profile))
    return appraise(claims, profile=profile, runtime=runtime, at=at)
