# SPDX-License-Identifier: Apache-2.0
"""The way of a broker with processor evidence: verify, bind, appraise; our own roots.

The agreed machine is the one that the forges make when nothing is spoiled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier, AzureTdxVerifier
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier
from cleanroom.attestation.platforms.tdx.verify import SgxVerifier, TdxVerifier
from cleanroom.attestation.result import AttestationResult
from cleanroom.attestation.trust import TrustStore
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.attestation_terms import (
    AttestationProfile,
    AzureClause,
    Clause,
    PcrClause,
    Required,
    SnpClause,
    TdxClause,
    Unrestricted,
)
from tests.support import azure_forge, dcap_forge, snp_forge
from tests.support.attested_runs import make_profile, make_runtime

AT = snp_forge.AT
RUNTIME = azure_forge.RUNTIME
BINDING = bind64(RUNTIME.raw)
TRUST = TrustStore(
    verifiers=(
        SnpVerifier(pins=snp_forge.all_pins()),
        TdxVerifier(pins=dcap_forge.intel().pins),
        SgxVerifier(pins=dcap_forge.intel().pins),
        AzureSnpVerifier(pins=snp_forge.all_pins()),
        AzureTdxVerifier(pins=dcap_forge.intel().pins),
    ),
    devices=(),
)
ANY: Unrestricted = Unrestricted()
SNP_CLAUSE = SnpClause(
    products=frozenset({"Genoa", "Turin"}),
    risks={},
    launch=frozenset({b"M" * 48}),
    signers=(),
    minimum_tcb={
        "Genoa": {"fmc": 0, "bootloader": 10, "tee": 0, "snp": 23, "microcode": 84},
        "Turin": {"fmc": 1, "bootloader": 2, "tee": 0, "snp": 3, "microcode": 71},
        "Milan": {"fmc": 0, "bootloader": 4, "tee": 0, "snp": 24, "microcode": 219},
    },
    vmpl=frozenset({0}),
    signing_keys=frozenset({"vcek"}),
    chip_ids=ANY,
    host_data=frozenset({b"H" * 32}),
    committed=Required(),
    alias_check=Required(),
    revocation=Required(),
)
TDX_CLAUSE = TdxClause(
    registers={
        "mrtd": frozenset({b"T" * 48}),
        "rtmr0": ANY,
        "rtmr1": frozenset({b"1" * 48}),
        "rtmr2": frozenset({b"2" * 48}),
        "rtmr3": ANY,
        "mrconfigid": frozenset({b"C" * 48}),
        "mrowner": ANY,
        "mrownerconfig": ANY,
        "mrservicetd": frozenset({bytes(48)}),
        "mrseam": ANY,
    },
    tcb_statuses=frozenset({"UpToDate"}),
    advisories=frozenset(),
    fmspcs=frozenset({dcap_forge.FMSPC}),
    ppids=ANY,
)
PCR_CLAUSE = PcrClause(
    bank="sha256",
    values={index: frozenset({azure_forge.PCRS[index]}) for index in (4, 7)},
    runtime=14,
    key_trust=frozenset({"hcl-report"}),
    keys=ANY,
)
AZURE_CLAUSE = AzureClause(secure_boot=Required(), no_console=Required(), vm_ids=ANY)
CLAUSES: dict[str, tuple[Clause, ...]] = {
    "snp": (SNP_CLAUSE,),
    "tdx": (TDX_CLAUSE,),
    "snp-azure-vtpm": (SNP_CLAUSE, PCR_CLAUSE, AZURE_CLAUSE),
    "tdx-azure-vtpm": (TDX_CLAUSE, PCR_CLAUSE, AZURE_CLAUSE),
}


def snp_item(product: Any = snp_forge.Product.GENOA, **fields: Any) -> EvidenceItem:
    """Make agreed SEV-SNP evidence of this run, with a current revocation list."""
    item = snp_forge.make_item(product, **({"report_data": BINDING} | fields))
    return with_collateral(item, crl=snp_forge.make_crl(product))


def tdx_item(**body: Any) -> EvidenceItem:
    """Make agreed TDX evidence of this run."""
    wrong = dcap_forge.Wrong(body=dcap_forge.domain(**({"report_data": BINDING} | body)))
    return dcap_forge.make_item(wrong=wrong)


def azure_item(**changes: Any) -> EvidenceItem:
    """Make agreed Azure evidence of this run, with a current revocation list on SEV-SNP."""
    machine = azure_forge.Machine(**changes)
    item = machine.item()
    return (
        item if machine.kind == azure_forge.TDX else with_collateral(item, crl=snp_forge.make_crl())
    )


def with_collateral(item: EvidenceItem, **items: bytes) -> EvidenceItem:
    """Replace or add collateral."""
    return replace(item, collateral={**item.collateral, **items})


def profile_for(platform: str, clauses: Sequence[Clause] | None = None) -> AttestationProfile:
    """Make the profile that agrees to the forges' machine."""
    return make_profile(
        platforms=frozenset({platform}),
        clauses=tuple(CLAUSES[platform] if clauses is None else clauses),
        max_collateral_age=dt.timedelta(days=40),
    )


def walk(
    item: EvidenceItem,
    *,
    profile: AttestationProfile | None = None,
    at: dt.datetime = AT,
    binding: bytes = BINDING,
    runtime: Any = RUNTIME,
) -> AttestationResult:
    """Go the way that a broker goes."""
    genuine = verify_evidence(Evidence.of(item), binding=binding, at=at, trust=TRUST)
    return appraise(genuine, profile=profile or profile_for(item.platform), runtime=runtime, at=at)


def other_run() -> Any:
    """Make the runtime data of another run."""
    return make_runtime(run="run-00000002")
