# SPDX-License-Identifier: Apache-2.0
"""A strict draft of an attestation profile: complete, and accepting nothing yet.

Whoever fills it in copies values from ``cleanroom attest show`` and from the
makers of images; every list is empty until then, and nothing is waived.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cleanroom.contract.attestation_profile import (
    MAA_REGISTERS,
    NITRO_REGISTERS,
    TDX_REGISTERS,
)
from cleanroom.contract.attestation_terms import (
    DATED_PLATFORMS,
    PLATFORM_CLAUSES,
    AttestationProfile,
    AzureClause,
    Clause,
    Forbidden,
    GpuClause,
    MaaClause,
    NitroClause,
    NoCollateral,
    PcrClause,
    Required,
    SnpClause,
    TdxClause,
    Unrestricted,
    WorkloadClause,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest

RUNTIME_PCR = 14  # zero after a usual start; 15 is systemd's, 16 and 23 can be reset
EVIDENCE_AGE = dt.timedelta(minutes=5)
COLLATERAL_AGE = dt.timedelta(days=30)
_SOFTWARE = "vtpm-software"
# Made for each run and proving nothing: there is no key to name and nothing booted.
_SOFTWARE_TPM = PcrClause(
    bank="sha256",
    values=dict.fromkeys((4, 7), frozenset({bytes(32)})),
    runtime=RUNTIME_PCR,
    key_trust=frozenset({"unproven"}),
    keys=Unrestricted(),
)
_GOOGLE = "https://confidentialcomputing.googleapis.com"


def draft_profile(
    platforms: Iterable[str], *, measurements: Iterable[Digest], gpus: int
) -> AttestationProfile:
    """Draft a profile for these platforms.

    Raises:
        MalformedError: A platform that is not known.
    """
    chosen = frozenset(platforms)
    for name in sorted(chosen - set(PLATFORM_CLAUSES)):
        raise MalformedError(
            f"platform: found {name!r}, agreed one of {', '.join(sorted(PLATFORM_CLAUSES))}",
            code="contract.platform",
        )
    demanded: set[type[Clause]] = {clause for name in chosen for clause in PLATFORM_CLAUSES[name]}
    drafts = _drafts(chosen, gpus=gpus)
    if gpus:
        demanded.add(GpuClause)
    clauses = [draft for kind, draft in drafts.items() if kind in demanded]
    return AttestationProfile(
        platforms=chosen,
        measurements=frozenset(measurements),
        debug=Forbidden(),
        max_evidence_age=EVIDENCE_AGE,
        max_collateral_age=COLLATERAL_AGE if chosen & DATED_PLATFORMS or gpus else NoCollateral(),
        clauses=tuple(clauses),
    )


def _pcrs(*, azure: bool) -> PcrClause:
    # Without a paravisor that vouches for the key, a cloud's certificate does, or the
    # parties name the key of a machine that they enrolled.
    trust = {"hcl-report"} if azure else {"unproven", "vendor-certificate"}
    return PcrClause(
        bank="sha256",
        values=dict.fromkeys((0, 1, 2, 3, 4, 7), frozenset[bytes]()),
        runtime=RUNTIME_PCR,
        key_trust=frozenset(trust),
        keys=Unrestricted() if azure else frozenset(),
    )


def _drafts(platforms: frozenset[str], *, gpus: int) -> dict[type[Clause], Clause]:
    nothing: frozenset[bytes] = frozenset()
    azure = any(name.endswith("-azure-vtpm") for name in platforms)
    return {
        SnpClause: SnpClause(
            products=frozenset(),
            risks={},
            launch=nothing,
            signers=(),
            minimum_tcb={},
            vmpl=frozenset({0}),
            signing_keys=frozenset({"vcek"}),
            chip_ids=nothing,
            host_data=nothing,
            committed=Required(),
            alias_check=Required(),
            revocation=Required(),
        ),
        TdxClause: TdxClause(
            registers=dict.fromkeys(TDX_REGISTERS, nothing),
            tcb_statuses=frozenset({"UpToDate"}),
            advisories=frozenset(),
            fmspcs=nothing,
            ppids=nothing,
        ),
        PcrClause: _SOFTWARE_TPM if _SOFTWARE in platforms else _pcrs(azure=azure),
        AzureClause: AzureClause(secure_boot=Required(), no_console=Required(), vm_ids=frozenset()),
        NitroClause: NitroClause(pcrs=dict.fromkeys(NITRO_REGISTERS, nothing)),
        WorkloadClause: WorkloadClause(
            issuers=frozenset({_GOOGLE}),
            audiences=frozenset(),
            hardware=frozenset(),
            support=frozenset({"STABLE"}),
            images=frozenset(),
            arguments=frozenset(),
            environment=frozenset(),
            overrides=frozenset(),
            secure_boot=Required(),
            projects=frozenset(),
            service_accounts=frozenset(),
        ),
        MaaClause: MaaClause(
            issuers=frozenset(),
            tees=frozenset({"sevsnpvm"}),
            compliance=frozenset(),
            launch=nothing,
            id_keys=nothing,
            min_svn=0,
            host_data=nothing,
            vmpl=frozenset({0}),
            minimum_tcb=dict.fromkeys(("bootloader", "tee", "snp", "microcode"), 255),
            registers=dict.fromkeys(MAA_REGISTERS, nothing),
            tcb_statuses=frozenset({"UpToDate"}),
        ),
        GpuClause: GpuClause(
            count=gpus or 1,
            architectures=frozenset(),
            driver_rims=frozenset(),
            vbios_rims=frozenset(),
            modes=frozenset({"single"}),
            serials=frozenset(),
            firmware_id=Required(),
            revocation=Required(),
        ),
    }
