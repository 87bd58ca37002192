# SPDX-License-Identifier: Apache-2.0
"""The shape of ``[attestation]`` at the edge; meaning is checked in ``attestation_profile``."""

from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.types import TEXT
from cleanroom.contract.wire import Count, DigestText, Moment
from cleanroom.kernel.wire_model import WireModel

MAX_LISTED = 256
MAX_AGE_SECONDS = 7 * 24 * 3600
MAX_COLLATERAL_AGE_SECONDS = 366 * 24 * 3600
PLATFORM = r"[a-z][a-z0-9-]{0,31}"
WAIVED = "waived: "

_any = Literal["any"]
Hex6 = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
Hex16 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Hex48 = Annotated[str, Field(pattern="^[0-9a-f]{96}$")]
Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{128}$")]
HexRegister = Annotated[str, Field(pattern="^(?:[0-9a-f]{64}|[0-9a-f]{96})$")]
Line = Annotated[str, Field(pattern=f"^{TEXT}$", max_length=512)]
Demanded = Annotated[str, Field(pattern=f"^(?:required|{WAIVED}{TEXT})$", max_length=512)]
Version = Annotated[int, Field(ge=0, le=255)]
Index = Annotated[int, Field(ge=0, le=23)]
Digests = Annotated[list[DigestText], Field(max_length=MAX_LISTED)]
Lines = Annotated[list[Line], Field(max_length=MAX_LISTED)]
Registers = Annotated[list[Hex48], Field(max_length=MAX_LISTED)]
AnyRegister = _any | Registers


class SignerWire(WireModel):
    """One accepted signer of images."""

    id_key: Hex48
    author_key: Hex48
    family_id: Hex16
    image_id: Hex16
    min_svn: Count


class TcbWire(WireModel):
    """Least versions of one product's firmware."""

    product: Line
    fmc: Version
    bootloader: Version
    tee: Version
    snp: Version
    microcode: Version


class RiskWire(WireModel):
    """One product whose known break is accepted."""

    product: Line
    reason: Line


class SnpWire(WireModel):
    """AMD SEV-SNP."""

    products: Lines
    launch: Registers
    vmpl: Annotated[list[Annotated[int, Field(ge=0, le=3)]], Field(max_length=4)]
    signing_keys: Annotated[list[Literal["vcek", "vlek"]], Field(max_length=2)]
    chip_ids: _any | Annotated[list[Hex64], Field(max_length=MAX_LISTED)]
    host_data: _any | Annotated[list[Hex32], Field(max_length=MAX_LISTED)]
    committed: Demanded
    alias_check: Demanded
    revocation: Demanded
    signers: Annotated[list[SignerWire], Field(max_length=MAX_LISTED)]
    minimum_tcb: Annotated[list[TcbWire], Field(max_length=8)]
    risks: Annotated[list[RiskWire], Field(max_length=8)]


class TdxWire(WireModel):
    """Intel TDX."""

    mrtd: AnyRegister
    rtmr0: AnyRegister
    rtmr1: AnyRegister
    rtmr2: AnyRegister
    rtmr3: AnyRegister
    mrconfigid: AnyRegister
    mrowner: AnyRegister
    mrownerconfig: AnyRegister
    mrservicetd: AnyRegister
    mrseam: AnyRegister
    tcb_statuses: Lines
    advisories: Lines
    fmspcs: _any | Annotated[list[Hex6], Field(max_length=MAX_LISTED)]
    ppids: _any | Annotated[list[Hex16], Field(max_length=MAX_LISTED)]


class PcrValueWire(WireModel):
    """Accepted values of one register of a TPM."""

    index: Index
    accepted: _any | Annotated[list[HexRegister], Field(max_length=MAX_LISTED)]


class PcrsWire(WireModel):
    """A TPM quote."""

    bank: Literal["sha256", "sha384"]
    runtime: Index
    key_trust: Annotated[
        list[Literal["hcl-report", "ek-certificate", "vendor-certificate", "unproven"]],
        Field(max_length=4),
    ]
    keys: _any | Digests
    values: Annotated[list[PcrValueWire], Field(max_length=24)]


class AzureWire(WireModel):
    """An Azure confidential VM."""

    secure_boot: Demanded
    no_console: Demanded
    vm_ids: _any | Lines


class NitroWire(WireModel):
    """An AWS Nitro enclave."""

    pcr0: Registers
    pcr1: Registers
    pcr2: Registers
    pcr3: AnyRegister
    pcr4: AnyRegister
    pcr8: AnyRegister


class WorkloadWire(WireModel):
    """A Google Confidential Space workload."""

    issuers: Lines
    audiences: Lines
    hardware: Lines
    support: Lines
    images: Digests
    arguments: _any | Lines
    environment: _any | Lines
    overrides: Lines
    secure_boot: Demanded
    projects: _any | Lines
    service_accounts: _any | Lines


class LeastTcbWire(WireModel):
    """Least versions of one product's firmware, as a service says them."""

    bootloader: Version
    tee: Version
    snp: Version
    microcode: Version


class MaaWire(WireModel):
    """A token of Microsoft Azure Attestation."""

    issuers: Lines
    tees: Annotated[list[Literal["sevsnpvm", "tdxvm"]], Field(max_length=2)]
    compliance: _any | Lines
    launch: Registers
    id_keys: Registers
    min_svn: Count
    host_data: _any | Annotated[list[Hex32], Field(max_length=MAX_LISTED)]
    vmpl: Annotated[list[Annotated[int, Field(ge=0, le=3)]], Field(max_length=4)]
    minimum_tcb: LeastTcbWire
    rtmr0: AnyRegister
    rtmr1: AnyRegister
    rtmr2: AnyRegister
    rtmr3: AnyRegister
    mrconfigid: AnyRegister
    mrowner: AnyRegister
    mrownerconfig: AnyRegister
    mrseam: AnyRegister
    tcb_statuses: Lines


class KeySetWire(WireModel):
    """One key set that the parties vouch for."""

    issuer: Line
    sha256: DigestText
    fetched_at: Moment


class GpusWire(WireModel):
    """The machine's GPUs."""

    count: Annotated[int, Field(ge=1, le=64)]
    architectures: Lines
    driver_rims: Digests
    vbios_rims: Digests
    modes: Annotated[list[Literal["single", "multi", "protected-pcie"]], Field(max_length=3)]
    serials: _any | Lines
    firmware_id: Demanded
    revocation: Demanded


class AttestationWire(WireModel):
    """Which runner may get keys."""

    platforms: Annotated[list[Annotated[str, Field(pattern=f"^{PLATFORM}$")]], Field(max_length=16)]
    measurements: Digests
    debug: Annotated[str, Field(pattern=f"^(?:forbidden|{WAIVED}{TEXT})$", max_length=512)]
    max_evidence_age_seconds: Annotated[int, Field(ge=1, le=MAX_AGE_SECONDS)]
    # Absent here is not unchecked: each is demanded once a platform is named that needs it.
    max_collateral_age_seconds: (
        Annotated[int, Field(ge=1, le=MAX_COLLATERAL_AGE_SECONDS)] | None
    ) = None
    snp: SnpWire | None = None
    tdx: TdxWire | None = None
    pcrs: PcrsWire | None = None
    azure: AzureWire | None = None
    nitro: NitroWire | None = None
    workload: WorkloadWire | None = None
    maa: MaaWire | None = None
    gpus: GpusWire | None = None
    # Absent: tokens below a pinned root count, and no others.
    key_sets: Annotated[list[KeySetWire], Field(max_length=16)] | None = None


class ProfileWire(WireModel):
    """An attestation clause in a file of its own, as the parties pass it around."""

    format: Literal["cleanroom.attestation-profile.v0"]
    attestation: AttestationWire
