# SPDX-License-Identifier: Apache-2.0
"""What genuine evidence says about a machine, in plain data, one shape a technology.

A platform's claims carry exactly the shapes that its verifier declares. Every
shape has a clause of its own in the contract, so nothing is read that nobody
compares. Registers are raw bytes as the hardware reports them; all zero is a
value like any other, never "not set".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from cleanroom.attestation.foreign_facts import NitroTpmFacts, SgxFacts
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

# In place of a TCB status when no collateral came along: nobody judged the firmware,
# and no contract can accept that.
UNAPPRAISED = "Unappraised"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpFacts:
    """One AMD SEV-SNP report (ATTESTATION 2.1, AMD 56860 table 23).

    Attributes:
        version: Version of the report; before 3 it does not name its processor.
        product: ``Milan``, ``Genoa`` or ``Turin``: CPUID, certificate and chain agree.
        launch: MEASUREMENT, 48 bytes.
        id_key: ID_KEY_DIGEST, 48 bytes.
        author_key: AUTHOR_KEY_DIGEST, 48 bytes.
        guest_svn: GUEST_SVN.
        family_id: FAMILY_ID, 16 bytes.
        image_id: IMAGE_ID, 16 bytes.
        vmpl: VMPL of the requester, 0 to 3.
        policy: POLICY, the whole 64-bit word.
        migratable: A migration agent may move the guest.
        tcb: REPORTED_TCB by component: ``fmc`` (Turin), ``bootloader``, ``tee``,
            ``snp``, ``microcode``; equal to the certificate's.
        provisional: COMMITTED differs from CURRENT: firmware may be rolled back.
        chip_id: CHIP_ID, 64 bytes, zero when masked.
        signing_key: ``vcek`` (one chip) or ``vlek`` (one cloud).
        host_data: HOST_DATA, 32 bytes, chosen by the host at launch.
        platform_info: PLATFORM_INFO, the whole word, unknown bits included.
        alias_checked: PLATFORM_INFO bit 5: memory aliases were looked for (BadRAM).
    """

    version: int
    product: str
    launch: bytes
    id_key: bytes
    author_key: bytes
    guest_svn: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    policy: int
    migratable: bool
    tcb: Mapping[str, int]
    provisional: bool
    chip_id: bytes
    signing_key: str
    host_data: bytes
    platform_info: int
    alias_checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxFacts:
    """One Intel TDX quote that both verifiers accepted (ATTESTATION 2.3).

    Attributes:
        mrtd: Build-time measurement, 48 bytes.
        rtmrs: The four run-time registers, 48 bytes each.
        mrconfigid: 48 bytes.
        mrowner: 48 bytes.
        mrownerconfig: 48 bytes.
        mrservicetd: 48 bytes; zero in a TDX 1.0 body, which has none.
        mrseam: 48 bytes.
        mrsignerseam: 48 bytes; zero for Intel's own module.
        seam_attributes: 64-bit word.
        attributes: TDATTRIBUTES, the whole 64-bit word.
        migratable: A migration domain may move the guest (bit 29).
        rebindable: Its service domains may be exchanged for others (bit 17).
        unknown_attributes: Bits of it that no known revision gives a meaning.
        partition: Which machine inside the domain asked; 0 for the domain itself.
        xfam: XFAM, the whole 64-bit word.
        tcb_status: Of Intel's TCB info, for example ``UpToDate``; or ``UNAPPRAISED``.
        advisories: Intel advisories that apply at that level.
        fmspc: Family-model-stepping of the platform, 6 bytes.
        ppid: Platform identity of the PCK certificate, 16 bytes.
    """

    mrtd: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    mrservicetd: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: int
    attributes: int
    migratable: bool
    rebindable: bool
    unknown_attributes: int
    partition: int
    xfam: int
    tcb_status: str
    advisories: frozenset[str]
    fmspc: bytes
    ppid: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeEvent:
    """One extend of the runtime register, in order: what was about to run.

    Attributes:
        name: ``runner``, ``contract``, ``query``, ``gpus`` or ``start``.
        digest: What was extended.
    """

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLog:
    """Extends that replay from zero to the quoted value of one register.

    Attributes:
        register: Index of the PCR, or of the RTMR.
        events: Every extend, in order; nothing else was extended.
    """

    register: int
    events: tuple[RuntimeEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRuntimeLog:
    """Evidence without a log of the runtime register; it proves no running code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFacts:
    """One TPM 2.0 quote (ATTESTATION 2.4, TPM 2.0 part 2 section 10.12.8).

    Attributes:
        bank: ``sha256`` or ``sha384``; never SHA-1.
        pcrs: Index to value, exactly the quoted selection.
        key: SHA-256 of the attestation key's public key (SubjectPublicKeyInfo).
        key_trust: ``hcl-report``, ``ek-certificate``, ``vendor-certificate`` or ``unproven``.
        clock: Milliseconds since the last clear.
        resets: resetCount.
        restarts: restartCount.
        firmware: firmwareVersion.
        runtime: The log of the runtime register.
    """

    bank: str
    pcrs: Mapping[int, bytes]
    key: Digest
    key_trust: str
    clock: int
    resets: int
    restarts: int
    firmware: int
    runtime: RuntimeLog | NoRuntimeLog


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFacts:
    """Configuration of an Azure confidential VM, hashed into its hardware report (2.2).

    Attributes:
        vm_id: ``vmUniqueId``, lower case.
        secure_boot: As configured.
        console: ``console-enabled``.
        interactive_console: ``interactive-console-enabled``.
        tpm_persisted: ``tpm-persisted``.
    """

    vm_id: str
    secure_boot: bool
    console: bool
    interactive_console: bool
    tpm_persisted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroFacts:
    """One AWS Nitro document (ATTESTATION 2.6).

    Attributes:
        pcrs: Index to value, 48 bytes each, exactly those of the document.
        module_id: Instance and enclave.
    """

    pcrs: Mapping[int, bytes]
    module_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """One Google Confidential Space token (ATTESTATION 2.7).

    Attributes:
        issuer: ``iss``.
        audience: ``aud``.
        hardware: ``hwmodel``.
        software: ``swname``.
        support: ``support_attributes``, for example ``STABLE``.
        image: ``image_digest`` of the container.
        arguments: ``args``; what the operator passed counts as code.
        environment: ``env``.
        overrides: ``cmd_override`` and ``env_override`` in the form ``name=value``.
        secure_boot: ``secboot``.
        project: Google Cloud project.
        service_accounts: ``google_service_accounts``.
    """

    issuer: str
    audience: str
    hardware: str
    software: str
    support: frozenset[str]
    image: Digest
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    overrides: tuple[str, ...]
    secure_boot: bool
    project: str
    service_accounts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaSnp:
    """What Microsoft's service says of an SEV-SNP machine.

    Attributes:
        launch: Launch measurement, 48 bytes.
        id_key: Digest of the identity key, 48 bytes.
        guest_svn: ``x-ms-sevsnpvm-guestsvn``.
        host_data: 32 bytes.
        vmpl: Privilege level.
        tcb: Security version numbers by component, as in :class:`SnpFacts`.
    """

    launch: bytes
    id_key: bytes
    guest_svn: int
    host_data: bytes
    vmpl: int
    tcb: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaTdx:
    """What Microsoft's service says of a trust domain.

    Attributes:
        mrtd: Measurement of the firmware, 48 bytes, as all of these.
        rtmrs: RTMR0 to RTMR3.
        mrconfigid: MRCONFIGID.
        mrowner: MROWNER.
        mrownerconfig: MROWNERCONFIG.
        mrseam: Measurement of the module.
        mrsignerseam: Who signed the module; zero means Intel.
        tcb_status: Intel's word about the firmware, as the service found it.
    """

    mrtd: bytes
    rtmrs: tuple[bytes, ...]
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    mrseam: bytes
    mrsignerseam: bytes
    tcb_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaFacts:
    """One token of Microsoft Azure Attestation (ATTESTATION 2.8).

    Attributes:
        issuer: ``iss``, one of the pinned.
        tee: ``x-ms-attestation-type`` of the isolation TEE, ``sevsnpvm`` or ``tdxvm``.
        guest: Guest attestation of an Azure VM, behind a paravisor: its hardware measured
            firmware alone. Otherwise the machine asked for its own report.
        compliance: ``x-ms-compliance-status``; empty if the service says none.
        secure_boot: ``secureboot``.
        vm_id: ``x-ms-azurevm-vmid``, lower case.
        hardware: What the service says of the processor's report.
    """

    issuer: str
    tee: str
    guest: bool
    compliance: str
    secure_boot: bool
    vm_id: str
    hardware: MaaSnp | MaaTdx


@dataclass(frozen=True, slots=True, kw_only=True)
class NoManifest:
    """No reference manifest was compared; measurements that nobody judged prove no firmware."""

    def __str__(self) -> str:
        """Write what a refusal shows as found."""
        return "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One NVIDIA GPU or switch that answered this nonce (ATTESTATION 2.5).

    Attributes:
        identity: Its attestation certificate.
        architecture: ``hopper``, ``blackwell`` or ``ls10``.
        driver: Driver version, lower case.
        vbios: VBIOS version, lower case.
        driver_rim: SHA-256 of the exact bytes of the driver's reference manifest.
        vbios_rim: SHA-256 of the exact bytes of the VBIOS's reference manifest.
        mode: ``single``, ``multi`` or ``protected-pcie``.
        firmware_id: The report's FWID was there and matches the certificate.
        revocation: ``checked`` by OCSP responses in the collateral, or ``unknown``.
    """

    identity: GpuIdentity
    architecture: str
    driver: str
    vbios: str
    driver_rim: Digest | NoManifest
    vbios_rim: Digest | NoManifest
    mode: str
    firmware_id: bool
    revocation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuTokenFacts:
    """One GPU in a token of NVIDIA's remote service (ATTESTATION 2.5).

    Attributes:
        device: ``ueid``.
        model: ``hwmodel``.
        driver: Driver version, lower case.
        vbios: VBIOS version, lower case.
        secure_boot: ``secboot``.
    """

    device: str
    model: str
    driver: str
    vbios: str
    secure_boot: bool


Facts: TypeAlias = (
    SnpFacts
    | TdxFacts
    | SgxFacts
    | QuoteFacts
    | AzureFacts
    | NitroFacts
    | NitroTpmFacts
    | WorkloadFacts
    | MaaFacts
    | GpuFacts
    | GpuTokenFacts
)
