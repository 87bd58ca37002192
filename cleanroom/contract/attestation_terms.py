# SPDX-License-Identifier: Apache-2.0
"""The terms of attestation: which machine may get keys, clause by clause.

A clause exists for each technology and is demanded as soon as a platform that
reports such facts is named. Nothing has a default. ``any`` and a waiver are
values that every party signs, and an empty list accepts nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

SIMULATED = "simulated"
# Leave memory open to their host: a contract accepts one of them alone, or none.
STAND_ALONE = frozenset({SIMULATED, "tpm", "vtpm-software"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A runner with debugging enabled gets no keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """Evidence without this property is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """All parties do without it, for the reason that they signed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrestricted:
    """All parties accept any value; written ``any``."""


_Value = TypeVar("_Value")
Allowed: TypeAlias = frozenset[_Value] | Unrestricted
Demand: TypeAlias = Required | Waived


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpSigner:
    """Who signed the launched image, and since which version.

    Attributes:
        id_key: ID_KEY_DIGEST, 48 bytes.
        author_key: AUTHOR_KEY_DIGEST, 48 bytes; all zero if there is none.
        family_id: FAMILY_ID, 16 bytes.
        image_id: IMAGE_ID, 16 bytes.
        min_svn: Least GUEST_SVN.
    """

    id_key: bytes
    author_key: bytes
    family_id: bytes
    image_id: bytes
    min_svn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpClause:
    """What AMD SEV-SNP must report (``[attestation.snp]``).

    Attributes:
        products: Accepted products; Milan only with a reason in ``risks``.
        risks: Product to the reason for which its known break is accepted.
        launch: Accepted launch measurements, 48 bytes each.
        signers: Accepted signers of the image, instead of exact measurements.
        minimum_tcb: Product to least version by component; one for each product.
        vmpl: Accepted privilege levels.
        signing_keys: ``vcek``, ``vlek`` or both.
        chip_ids: Accepted chips, 64 bytes each.
        host_data: Accepted HOST_DATA, 32 bytes each.
        committed: Whether firmware must be committed, so that it cannot be rolled back.
        alias_check: Whether memory must have been checked for aliases (BadRAM).
        revocation: Whether a fresh revocation list must be among the collateral.
    """

    products: frozenset[str]
    risks: Mapping[str, str]
    launch: frozenset[bytes]
    signers: tuple[SnpSigner, ...]
    minimum_tcb: Mapping[str, Mapping[str, int]]
    vmpl: frozenset[int]
    signing_keys: frozenset[str]
    chip_ids: Allowed[bytes]
    host_data: Allowed[bytes]
    committed: Demand
    alias_check: Demand
    revocation: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxClause:
    """What Intel TDX must report (``[attestation.tdx]``).

    Attributes:
        registers: Accepted values of ``mrtd``, ``rtmr0`` to ``rtmr3``, ``mrconfigid``,
            ``mrowner``, ``mrownerconfig``, ``mrservicetd`` and ``mrseam``, 48 bytes each.
        tcb_statuses: Accepted states of Intel's TCB evaluation.
        advisories: Intel advisories that are accepted.
        fmspcs: Accepted platform families, 6 bytes each.
        ppids: Accepted machines, 16 bytes each.
    """

    registers: Mapping[str, Allowed[bytes]]
    tcb_statuses: frozenset[str]
    advisories: frozenset[str]
    fmspcs: Allowed[bytes]
    ppids: Allowed[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrClause:
    """What a TPM quote must hold (``[attestation.pcrs]``).

    Attributes:
        bank: ``sha256`` or ``sha384``.
        values: Index to accepted values; with ``runtime``, exactly the quoted selection.
        runtime: Register that the runner extends with itself, contract and query.
        key_trust: Accepted ways by which the attestation key is known.
        keys: Accepted attestation keys, by SHA-256 of their public key.
    """

    bank: str
    values: Mapping[int, Allowed[bytes]]
    runtime: int
    key_trust: frozenset[str]
    keys: Allowed[Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureClause:
    """What an Azure confidential VM must be configured as (``[attestation.azure]``).

    Attributes:
        secure_boot: Whether secure boot must be on.
        no_console: Whether both consoles must be off.
        vm_ids: Accepted machines.
    """

    secure_boot: Demand
    no_console: Demand
    vm_ids: Allowed[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroClause:
    """What an AWS Nitro document must hold (``[attestation.nitro]``).

    Attributes:
        pcrs: Index to accepted values, 48 bytes each, for 0, 1, 2, 3, 4 and 8.
    """

    pcrs: Mapping[int, Allowed[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadClause:
    """What a Google Confidential Space token must say (``[attestation.workload]``).

    Attributes:
        issuers: Accepted issuers.
        audiences: Accepted audiences.
        hardware: Accepted ``hwmodel`` values.
        support: Support attributes that must all be there.
        images: Accepted container images.
        arguments: Accepted argument lists, each as one line quoted for a shell.
        environment: Accepted variables in the form ``NAME=value``.
        overrides: Accepted overrides of command and environment.
        secure_boot: Whether secure boot must be on.
        projects: Accepted Google Cloud projects.
        service_accounts: Accepted service accounts.
    """

    issuers: frozenset[str]
    audiences: frozenset[str]
    hardware: frozenset[str]
    support: frozenset[str]
    images: frozenset[Digest]
    arguments: Allowed[str]
    environment: Allowed[str]
    overrides: frozenset[str]
    secure_boot: Demand
    projects: Allowed[str]
    service_accounts: Allowed[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaClause:
    """What a token of Microsoft Azure Attestation must say (``[attestation.maa]``).

    Only tokens of the direct interfaces count: guest attestation of an Azure VM tells of
    firmware and configuration, and of no code.

    Attributes:
        issuers: Accepted services.
        tees: Accepted of ``sevsnpvm`` and ``tdxvm``.
        compliance: Accepted ``x-ms-compliance-status``; empty text where the service says none.
        launch: Accepted launch measurements or MRTDs, 48 bytes each.
        id_keys: Accepted signers of SEV-SNP images, 48 bytes each, instead of a measurement.
        min_svn: Least GUEST_SVN of an image that counts by its signer.
        host_data: Accepted HOST_DATA of SEV-SNP, 32 bytes each.
        vmpl: Accepted privilege levels of SEV-SNP.
        minimum_tcb: Least version by component of SEV-SNP.
        registers: Accepted values of ``rtmr0`` to ``rtmr3``, ``mrconfigid``, ``mrowner``,
            ``mrownerconfig`` and ``mrseam`` of TDX, 48 bytes each.
        tcb_statuses: Accepted states of Intel's TCB evaluation.
    """

    issuers: frozenset[str]
    tees: frozenset[str]
    compliance: Allowed[str]
    launch: frozenset[bytes]
    id_keys: frozenset[bytes]
    min_svn: int
    host_data: Allowed[bytes]
    vmpl: frozenset[int]
    minimum_tcb: Mapping[str, int]
    registers: Mapping[str, Allowed[bytes]]
    tcb_statuses: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuClause:
    """Which GPUs belong to the machine (``[attestation.gpus]``).

    Attributes:
        count: How many there are, neither more nor fewer.
        architectures: Accepted architectures.
        driver_rims: Accepted driver manifests by SHA-256 of their bytes.
        vbios_rims: Accepted VBIOS manifests by SHA-256 of their bytes.
        modes: Accepted modes; all GPUs of a machine are in the same one.
        serials: Accepted devices by serial number of their attestation certificate.
        firmware_id: Whether the report must name the firmware of its certificate.
        revocation: Whether the certificates must have been checked for revocation.
    """

    count: int
    architectures: frozenset[str]
    driver_rims: frozenset[Digest]
    vbios_rims: frozenset[Digest]
    modes: frozenset[str]
    serials: Allowed[str]
    firmware_id: Demand
    revocation: Demand


Clause: TypeAlias = (
    SnpClause
    | TdxClause
    | PcrClause
    | AzureClause
    | NitroClause
    | WorkloadClause
    | MaaClause
    | GpuClause
)

CLAUSE_NAMES: Mapping[type[Clause], str] = {
    SnpClause: "snp",
    TdxClause: "tdx",
    PcrClause: "pcrs",
    AzureClause: "azure",
    NitroClause: "nitro",
    WorkloadClause: "workload",
    MaaClause: "maa",
    GpuClause: "gpus",
}
# What each platform reports decides which clauses a contract that names it must have.
PLATFORM_CLAUSES: Mapping[str, frozenset[type[Clause]]] = {
    SIMULATED: frozenset(),
    "vtpm-software": frozenset({PcrClause}),
    "tpm": frozenset({PcrClause}),
    "snp": frozenset({SnpClause}),
    "snp-azure-vtpm": frozenset({SnpClause, PcrClause, AzureClause}),
    "tdx": frozenset({TdxClause}),
    "tdx-azure-vtpm": frozenset({TdxClause, PcrClause, AzureClause}),
    "nitro": frozenset({NitroClause}),
    "gcp-cs-jwt": frozenset({WorkloadClause}),
    "maa-jwt": frozenset({MaaClause}),
}
# Their tokens may be signed by keys without a root, which the contract then vouches for.
TOKEN_PLATFORMS = frozenset({"gcp-cs-jwt", "maa-jwt"})
# The collateral of these has dates of its own, so a contract limits its age.
DATED_PLATFORMS = frozenset({"snp", "snp-azure-vtpm", "tdx", "tdx-azure-vtpm", "maa-jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKeySet:
    """A relying party's word for one key set (JWKS, RFC 7517) of a token service.

    Attributes:
        issuer: ``iss`` of the tokens that its keys sign.
        digest: SHA-256 of the exact document.
        fetched_at: When it came from the issuer's own address.
        max_age: For how long around that time it counts.
    """

    issuer: str
    digest: Digest
    fetched_at: dt.datetime
    max_age: dt.timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCollateral:
    """No named platform has collateral with a date of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationProfile:
    """Which runner may get keys; empty sets accept nothing.

    Attributes:
        platforms: Accepted kinds of evidence.
        measurements: Accepted runners.
        debug: Whether debug mode is forbidden.
        max_evidence_age: For evidence with a clock, in both directions.
        max_collateral_age: How old revocation lists and the like may be.
        clauses: One for each technology that the platforms report; GPUs only with theirs.
        key_sets: Key sets of token services that every party vouches for by signing; they
            count for ``max_collateral_age``.
    """

    platforms: frozenset[str]
    measurements: frozenset[Digest]
    debug: Forbidden | Waived
    max_evidence_age: dt.timedelta
    max_collateral_age: dt.timedelta | NoCollateral
    clauses: tuple[Clause, ...]
    key_sets: tuple[TrustedKeySet, ...] = ()
