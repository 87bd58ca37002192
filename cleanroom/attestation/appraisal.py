# SPDX-License-Identifier: Apache-2.0
"""Do these claims satisfy the contract? Default deny, one numbered list.

Genuine evidence of the wrong runner is the attack that signatures cannot see.
Every clause of the profile is compared here; an empty list accepts nothing.
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.agreed import refused
from cleanroom.attestation.appraise_boot import (
    appraise_azure,
    appraise_nitro,
    appraise_quote,
    appraise_workload,
)
from cleanroom.attestation.appraise_cpu import appraise_snp, appraise_tdx
from cleanroom.attestation.appraise_gpus import appraise_gpus
from cleanroom.attestation.appraise_maa import appraise_maa
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.facts import (
    AzureFacts,
    Facts,
    GpuFacts,
    MaaFacts,
    NitroFacts,
    QuoteFacts,
    SnpFacts,
    TdxFacts,
    WorkloadFacts,
)
from cleanroom.attestation.platform import Claims, CollateralFact, SelfReported, Undated
from cleanroom.attestation.platforms.simulated.root import PLATFORM as SIMULATED
from cleanroom.attestation.platforms.simulated.root import ROOT_NAME
from cleanroom.attestation.platforms.tpm.root import PLATFORM as TPM
from cleanroom.attestation.platforms.tpm.root import WARNING as TPM_WARNING
from cleanroom.attestation.platforms.vtpm_software.root import PLATFORM as SOFTWARE_TPM
from cleanroom.attestation.platforms.vtpm_software.root import WARNING as SOFTWARE_TPM_WARNING
from cleanroom.attestation.result import AttestationResult, DeviceResult, Trust, tier_of
from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.attestation.verifier import GenuineEvidence, require_bound
from cleanroom.contract.attestation_plain import plain_profile, waivers
from cleanroom.contract.attestation_terms import (
    AzureClause,
    Clause,
    GpuClause,
    MaaClause,
    NitroClause,
    NoCollateral,
    PcrClause,
    SnpClause,
    TdxClause,
    WorkloadClause,
)
from cleanroom.contract.contract import STAND_ALONE, AttestationProfile, Waived
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest

WITH_NONCES = "with the nonces"
# What every result of a platform that leaves memory open to its host begins with.
_OPEN = {
    SIMULATED: f"{ROOT_NAME.decode('ascii')}: anybody can forge this evidence",
    SOFTWARE_TPM: f"{SOFTWARE_TPM_WARNING}: anybody can forge this evidence",
    TPM: f"{TPM_WARNING}: whoever runs the machine reads the runner's memory",
}

__all__ = ["AttestationResult", "appraise", "profile_digest"]


def appraise(
    evidence: GenuineEvidence,
    *,
    profile: AttestationProfile,
    runtime: RuntimeData,
    at: dt.datetime,
) -> AttestationResult:
    """Return the proof that claims satisfy a contract's attestation clause.

    Args:
        evidence: What :func:`cleanroom.attestation.verifier.verify_evidence` returned.
        profile: The contract's clause.
        runtime: The runtime data that the run goes by.
        at: The relying party's clock.

    Raises:
        EvidenceRefusedError: By name of the claim that is not as agreed.
    """
    claims = evidence.machine
    # 1. Claims about another run say nothing about this one (T-05).
    for item in (claims, *evidence.devices):
        require_bound(item, bind64(runtime.raw))
    # 2. Simulation must have been agreed to, by its name and with nothing beside it (T-21).
    _require_platform(claims, profile)
    # 3. Before the measurement: a replayed report of a good build would otherwise
    # look exactly like a live one (T-05).
    _require_fresh(claims, profile, at=at)
    # 4. Which code holds the keys (T-04).
    _require_measurement(claims, profile, runtime)
    # 5. Debug mode lets the host read every key that is released (T-04).
    _require_debug(claims, profile)
    # 6. An old revocation list does not know what was revoked since (T-04).
    _require_collateral(evidence, profile, at=at)
    # 7. Each fact against its clause, and every device (T-04).
    _require_clauses(evidence, profile, runtime)
    return _result(evidence, profile=profile, runtime=runtime, at=at)


def profile_digest(profile: AttestationProfile) -> Digest:
    """Digest a profile's meaning, so that a result can name the policy it applied."""
    return Digest.of(canonical_json(plain_profile(profile)))


def _require_platform(claims: Claims, profile: AttestationProfile) -> None:
    if claims.platform not in profile.platforms:
        raise _refused("platform", claims.platform, profile.platforms)
    if not claims.confidential and profile.platforms != {claims.platform}:
        raise EvidenceRefusedError(
            f"platform: {claims.platform} is not confidential, agreed beside others",
            code="attestation.simulated-mixed",
            hint="a contract accepts either simulation or real platforms",
        )
    if claims.confidential and claims.platform in STAND_ALONE:
        raise EvidenceRefusedError(
            f"platform: {claims.platform} claims to be confidential", code="attestation.simulated"
        )


def _require_fresh(claims: Claims, profile: AttestationProfile, *, at: dt.datetime) -> None:
    # Evidence without a clock is as fresh as its nonce, whose age each broker limits.
    if isinstance(claims.issued_at, Undated):
        return
    # Both directions: evidence from the future would stay fresh for as long as its
    # maker likes.
    if abs(at - claims.issued_at) > profile.max_evidence_age:
        seconds = int(profile.max_evidence_age.total_seconds())
        raise EvidenceRefusedError(
            f"evidence age: issued at {format_time(claims.issued_at)}, agreed within {seconds}"
            f" seconds of {format_time(at)}",
            code="attestation.age",
            hint="let the runner attest again, and compare both machines' clocks",
        )


def _require_measurement(claims: Claims, profile: AttestationProfile, runtime: RuntimeData) -> None:
    # An image that was measured speaks for the runner in it; one that the platform
    # measured itself must be the same.
    measured = runtime.runner if isinstance(claims.runner, SelfReported) else claims.runner
    if measured not in profile.measurements:
        raise EvidenceRefusedError(
            f"measurement: found {measured}, agreed "
            + (", ".join(sorted(map(str, profile.measurements))) or "none"),
            code="attestation.measurement",
            hint="the parties agree to a new runner by signing a new contract that lists it",
        )
    if measured != runtime.runner:
        raise EvidenceRefusedError(
            f"measurement: the runner names {runtime.runner}, the platform {measured}",
            code="attestation.runner",
        )


def _require_debug(claims: Claims, profile: AttestationProfile) -> None:
    if claims.debug and not isinstance(profile.debug, Waived):
        raise EvidenceRefusedError(
            "debug: found on, agreed forbidden",
            code="attestation.debug",
            hint="start the runner without debug mode",
        )


def _require_collateral(
    evidence: GenuineEvidence, profile: AttestationProfile, *, at: dt.datetime
) -> None:
    named = _named_manifests(profile)
    for claims in (evidence.machine, *evidence.devices):
        for item in claims.collateral:
            # Exact bytes that the contract names cannot have been replaced by newer ones.
            if item.digest not in named:
                _require_recent(item, profile, at=at)


def _named_manifests(profile: AttestationProfile) -> frozenset[Digest]:
    clauses = [clause for clause in profile.clauses if isinstance(clause, GpuClause)]
    return frozenset().union(*(clause.driver_rims | clause.vbios_rims for clause in clauses))


def _require_recent(item: CollateralFact, profile: AttestationProfile, *, at: dt.datetime) -> None:
    limit = profile.max_collateral_age
    if isinstance(limit, NoCollateral):
        raise refused(f"collateral {item.name}", found="one with a date", agreed="none with a date")
    # A verifier refuses what ran out; how old is too old is the parties' to say.
    if not item.issued_at <= at < item.expires_at or at - item.issued_at > limit:
        seconds = int(limit.total_seconds())
        raise EvidenceRefusedError(
            f"collateral {item.name}: issued at {format_time(item.issued_at)}, agreed"
            f" within {seconds} seconds before {format_time(at)}",
            code="attestation.collateral-age",
            hint="fetch the collateral again and let the runner attest again",
        )


def _require_clauses(
    evidence: GenuineEvidence, profile: AttestationProfile, runtime: RuntimeData
) -> None:
    gpus: list[GpuFacts] = []
    for claims in (evidence.machine, *evidence.devices):
        for fact in claims.facts:
            if isinstance(fact, GpuFacts):
                gpus.append(fact)
            else:
                _appraise_fact(fact, claims, profile=profile, runtime=runtime)
    # Also without a GPU: one that the runner names must have answered.
    appraise_gpus(tuple(gpus), profile=profile, runtime=runtime)


def _appraise_fact(
    fact: Facts, claims: Claims, *, profile: AttestationProfile, runtime: RuntimeData
) -> None:
    for clause in profile.clauses:
        match fact, clause:
            case SnpFacts(), SnpClause():
                return appraise_snp(fact, clause, collateral=claims.collateral)
            case TdxFacts(), TdxClause():
                return appraise_tdx(fact, clause)
            case QuoteFacts(), PcrClause():
                return appraise_quote(fact, clause, runtime=runtime)
            case AzureFacts(), AzureClause():
                return appraise_azure(fact, clause)
        if _appraise_document(fact, clause):
            return None
    # A fact that no clause speaks of was agreed to by nobody.
    raise EvidenceRefusedError(
        f"{claims.platform}: the contract has no clause about what it reports",
        code="attestation.no-clause",
    )


def _appraise_document(fact: Facts, clause: Clause) -> bool:
    """Compare what a cloud's hypervisor or service signed; tell whether the clause is its own."""
    match fact, clause:
        case NitroFacts(), NitroClause():
            appraise_nitro(fact, clause)
        case WorkloadFacts(), WorkloadClause():
            appraise_workload(fact, clause)
        case MaaFacts(), MaaClause():
            appraise_maa(fact, clause)
        case _:
            return False
    return True


def _result(
    evidence: GenuineEvidence,
    *,
    profile: AttestationProfile,
    runtime: RuntimeData,
    at: dt.datetime,
) -> AttestationResult:
    claims = evidence.machine
    vector = _vector(claims, profile)
    return AttestationResult(
        platform=claims.platform,
        status=tier_of(vector),
        vector=vector,
        measurement=runtime.runner,
        runtime_data=runtime.digest,
        binding=bind64(runtime.raw),
        debug=_debug_clause(profile) if claims.debug else "off",
        policy=profile_digest(profile),
        issued_at=WITH_NONCES
        if isinstance(claims.issued_at, Undated)
        else format_time(claims.issued_at),
        appraised_at=at,
        banner=_banner(claims, profile),
        devices=_devices(evidence, profile),
    )


def _devices(evidence: GenuineEvidence, profile: AttestationProfile) -> tuple[DeviceResult, ...]:
    facts = [fact for claims in evidence.devices for fact in claims.facts]
    gpus = [fact for fact in facts if isinstance(fact, GpuFacts)]
    known = Trust.KNOWN_WEAKNESS if waivers(profile) else Trust.APPROVED
    return tuple(
        DeviceResult(
            name=f"gpu{number}",
            identity=gpu.identity.spki_sha256,
            vector={
                "configuration": known,
                "executables": Trust.APPROVED_AT_BOOT,
                "hardware": Trust.APPROVED,
            },
        )
        for number, gpu in enumerate(gpus)
    )


def _vector(claims: Claims, profile: AttestationProfile) -> dict[str, Trust]:
    if not claims.confidential:
        # Nothing measured this runner but itself, so no claim is made about its code.
        return {
            "configuration": Trust.NO_CLAIM,
            "executables": Trust.NO_CLAIM,
            "hardware": Trust.UNRECOGNISED,
        }
    return {
        "configuration": Trust.KNOWN_WEAKNESS
        if claims.debug or waivers(profile)
        else Trust.APPROVED,
        "executables": Trust.APPROVED_AT_BOOT,
        "hardware": Trust.APPROVED,
    }


def _banner(claims: Claims, profile: AttestationProfile) -> str:
    warnings = []
    if not claims.confidential:
        warnings.append(_OPEN.get(claims.platform, f"{claims.platform} - NOT CONFIDENTIAL"))
    if claims.debug:
        warnings.append("DEBUG MODE: the host can read the runner's memory")
    warnings += [f"WAIVED {waiver}" for waiver in waivers(profile)]
    return "; ".join(warnings)


def _debug_clause(profile: AttestationProfile) -> str:
    return f"waived: {profile.debug.reason}" if isinstance(profile.debug, Waived) else "forbidden"


def _refused(claim: str, found: str, agreed: frozenset[str]) -> EvidenceRefusedError:
    return EvidenceRefusedError(
        f"{claim}: found {found}, agreed {', '.join(sorted(agreed)) or 'none'}",
        code=f"attestation.{claim}",
        hint="the contract's attestation clause names what counts",
    )
