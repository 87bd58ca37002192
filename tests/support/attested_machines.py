# SPDX-License-Identifier: Apache-2.0
"""One genuine machine of every kind with the clause that accepts exactly it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from cleanroom.attestation.facts import (
    AzureFacts,
    GpuFacts,
    MaaFacts,
    MaaSnp,
    MaaTdx,
    NitroFacts,
    QuoteFacts,
    RuntimeEvent,
    RuntimeLog,
    SnpFacts,
    TdxFacts,
    WorkloadFacts,
)
from cleanroom.attestation.platform import CollateralFact
from cleanroom.attestation.runtime_data import GpuIdentity
from cleanroom.contract.attestation_profile import MAA_REGISTERS
from cleanroom.contract.attestation_terms import (
    AzureClause,
    GpuClause,
    MaaClause,
    NitroClause,
    PcrClause,
    Required,
    SnpClause,
    SnpSigner,
    TdxClause,
    Unrestricted,
    WorkloadClause,
)
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import NOW, make_runtime

RUNTIME = make_runtime()
DAY = dt.timedelta(days=1)
CRL = CollateralFact(
    name="crl", digest=Digest.of(b"crl"), issued_at=NOW - DAY, expires_at=NOW + DAY
)
TCB = {"bootloader": 9, "tee": 0, "snp": 23, "microcode": 72}
SNP = SnpFacts(
    version=3,
    product="Genoa",
    launch=b"l" * 48,
    id_key=b"i" * 48,
    author_key=b"a" * 48,
    guest_svn=7,
    family_id=b"f" * 16,
    image_id=b"m" * 16,
    vmpl=0,
    policy=0x30000,
    migratable=False,
    tcb=TCB,
    provisional=False,
    chip_id=b"c" * 64,
    signing_key="vcek",
    host_data=b"h" * 32,
    platform_info=0x21,
    alias_checked=True,
)
SIGNER = SnpSigner(
    id_key=b"i" * 48, author_key=b"a" * 48, family_id=b"f" * 16, image_id=b"m" * 16, min_svn=7
)
SNP_CLAUSE = SnpClause(
    products=frozenset({"Genoa"}),
    risks={},
    launch=frozenset({SNP.launch}),
    signers=(),
    minimum_tcb={"Genoa": {**TCB, "fmc": 0}},
    vmpl=frozenset({0}),
    signing_keys=frozenset({"vcek"}),
    chip_ids=frozenset({SNP.chip_id}),
    host_data=frozenset({SNP.host_data}),
    committed=Required(),
    alias_check=Required(),
    revocation=Required(),
)
TDX = TdxFacts(
    mrtd=b"t" * 48,
    rtmrs=(b"0" * 48, b"1" * 48, b"2" * 48, b"3" * 48),
    mrconfigid=b"c" * 48,
    mrowner=b"o" * 48,
    mrownerconfig=b"p" * 48,
    mrservicetd=b"s" * 48,
    mrseam=b"m" * 48,
    mrsignerseam=bytes(48),
    seam_attributes=0,
    attributes=0x10000000,
    migratable=False,
    rebindable=False,
    unknown_attributes=0,
    partition=0,
    xfam=0xE7,
    tcb_status="UpToDate",
    advisories=frozenset({"INTEL-SA-00001"}),
    fmspc=b"f" * 6,
    ppid=b"p" * 16,
)
TDX_CLAUSE = TdxClause(
    registers={
        name: frozenset({value})
        for name, value in {
            "mrtd": TDX.mrtd,
            "rtmr0": TDX.rtmrs[0],
            "rtmr1": TDX.rtmrs[1],
            "rtmr2": TDX.rtmrs[2],
            "rtmr3": TDX.rtmrs[3],
            "mrconfigid": TDX.mrconfigid,
            "mrowner": TDX.mrowner,
            "mrownerconfig": TDX.mrownerconfig,
            "mrservicetd": TDX.mrservicetd,
            "mrseam": TDX.mrseam,
        }.items()
    },
    tcb_statuses=frozenset({"UpToDate"}),
    advisories=frozenset({"INTEL-SA-00001"}),
    fmspcs=frozenset({TDX.fmspc}),
    ppids=frozenset({TDX.ppid}),
)
RUNTIME_PCR = 14
EVENTS = (
    RuntimeEvent(name="runner", digest=RUNTIME.runner),
    RuntimeEvent(name="contract", digest=RUNTIME.contract),
    RuntimeEvent(name="query", digest=RUNTIME.query),
)
QUOTE = QuoteFacts(
    bank="sha256",
    pcrs={4: b"4" * 32, 7: b"7" * 32, RUNTIME_PCR: b"r" * 32},
    key=Digest.of(b"ak"),
    key_trust="hcl-report",
    clock=1000,
    resets=1,
    restarts=0,
    firmware=1,
    runtime=RuntimeLog(register=RUNTIME_PCR, events=EVENTS),
)
PCR_CLAUSE = PcrClause(
    bank="sha256",
    values={4: frozenset({b"4" * 32}), 7: frozenset({b"7" * 32})},
    runtime=RUNTIME_PCR,
    key_trust=frozenset({"hcl-report"}),
    keys=frozenset({QUOTE.key}),
)
AZURE = AzureFacts(
    vm_id="vm-1", secure_boot=True, console=False, interactive_console=False, tpm_persisted=True
)
AZURE_CLAUSE = AzureClause(
    secure_boot=Required(), no_console=Required(), vm_ids=frozenset({"vm-1"})
)
NITRO = NitroFacts(
    pcrs={index: bytes([index]) * 48 for index in range(16)}, module_id="i-0abc-enc0"
)
NITRO_CLAUSE = NitroClause(
    pcrs={index: frozenset({bytes([index]) * 48}) for index in (0, 1, 2, 3, 4, 8)}
)
WORKLOAD = WorkloadFacts(
    issuer="https://confidentialcomputing.googleapis.com",
    audience="cleanroom",
    hardware="GCP_INTEL_TDX",
    software="CONFIDENTIAL_SPACE",
    support=frozenset({"LATEST", "STABLE", "USABLE"}),
    image=Digest.of(b"image"),
    arguments=("cleanroom", "runner"),
    environment={"LANG": "C"},
    overrides=(),
    secure_boot=True,
    project="project-1",
    service_accounts=frozenset({"runner@project-1.example"}),
)
WORKLOAD_CLAUSE = WorkloadClause(
    issuers=frozenset({WORKLOAD.issuer}),
    audiences=frozenset({"cleanroom"}),
    hardware=frozenset({"GCP_INTEL_TDX"}),
    support=frozenset({"STABLE"}),
    images=frozenset({WORKLOAD.image}),
    arguments=frozenset({"cleanroom runner"}),
    environment=frozenset({"LANG=C"}),
    overrides=frozenset(),
    secure_boot=Required(),
    projects=frozenset({"project-1"}),
    service_accounts=WORKLOAD.service_accounts,
)
MAA_ISSUER = "https://sharedtest.weu.attest.azure.net"
MAA_SNP = MaaFacts(
    issuer=MAA_ISSUER,
    tee="sevsnpvm",
    guest=False,
    compliance="azure-compliant-uvm",
    secure_boot=False,
    vm_id="",
    hardware=MaaSnp(
        launch=SNP.launch, id_key=b"i" * 48, guest_svn=7, host_data=b"h" * 32, vmpl=0, tcb=TCB
    ),
)
MAA_TDX = replace(
    MAA_SNP,
    tee="tdxvm",
    hardware=MaaTdx(
        mrtd=SNP.launch,
        rtmrs=TDX.rtmrs,
        mrconfigid=TDX.mrconfigid,
        mrowner=TDX.mrowner,
        mrownerconfig=TDX.mrownerconfig,
        mrseam=TDX.mrseam,
        mrsignerseam=bytes(48),
        tcb_status="UpToDate",
    ),
)
MAA_CLAUSE = MaaClause(
    issuers=frozenset({MAA_ISSUER}),
    tees=frozenset({"sevsnpvm", "tdxvm"}),
    compliance=frozenset({"azure-compliant-uvm"}),
    launch=frozenset({SNP.launch}),
    id_keys=frozenset(),
    min_svn=7,
    host_data=frozenset({b"h" * 32}),
    vmpl=frozenset({0}),
    minimum_tcb=TCB,
    registers={name: TDX_CLAUSE.registers[name] for name in MAA_REGISTERS},
    tcb_statuses=frozenset({"UpToDate"}),
)
GPU = GpuFacts(
    identity=GpuIdentity(leaf_serial="0a", spki_sha256=Digest.of(b"gpu")),
    architecture="hopper",
    driver="550.144.03",
    vbios="96.00.9f.00.01",
    driver_rim=Digest.of(b"driver"),
    vbios_rim=Digest.of(b"vbios"),
    mode="single",
    firmware_id=True,
    revocation="checked",
)
GPU_CLAUSE = GpuClause(
    count=1,
    architectures=frozenset({"hopper"}),
    driver_rims=frozenset({Digest.of(b"driver")}),
    vbios_rims=frozenset({Digest.of(b"vbios")}),
    modes=frozenset({"single"}),
    serials=frozenset({"0a"}),
    firmware_id=Required(),
    revocation=Required(),
)
ANY = Unrestricted()
EVERY_CLAUSE = (
    SNP_CLAUSE,
    TDX_CLAUSE,
    PCR_CLAUSE,
    AZURE_CLAUSE,
    NITRO_CLAUSE,
    WORKLOAD_CLAUSE,
    MAA_CLAUSE,
    GPU_CLAUSE,
)
