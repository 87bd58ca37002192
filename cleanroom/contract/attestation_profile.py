# SPDX-License-Identifier: Apache-2.0
"""Read ``[attestation]``: every clause that its platforms demand, and none beside.

A clause that no named platform reports would be believed to protect and never
be compared; one that is missing would leave a fact unjudged. Both are refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

from cleanroom.contract.attestation_keys import require_key_sets, vouched_key_sets
from cleanroom.contract.attestation_reader import Reader, demand
from cleanroom.contract.attestation_terms import (
    CLAUSE_NAMES,
    DATED_PLATFORMS,
    PLATFORM_CLAUSES,
    STAND_ALONE,
    AttestationProfile,
    AzureClause,
    Clause,
    Forbidden,
    GpuClause,
    MaaClause,
    NitroClause,
    NoCollateral,
    PcrClause,
    SnpClause,
    SnpSigner,
    TdxClause,
    Unrestricted,
    Waived,
    WorkloadClause,
)
from cleanroom.contract.attestation_wire import (
    WAIVED,
    AttestationWire,
    AzureWire,
    GpusWire,
    MaaWire,
    NitroWire,
    PcrsWire,
    ProfileWire,
    SnpWire,
    TdxWire,
    WorkloadWire,
)
from cleanroom.contract.wire import parse_document
from cleanroom.kernel.limits import MAX_CONTRACT_BYTES

TDX_REGISTERS = (
    "mrtd",
    "rtmr0",
    "rtmr1",
    "rtmr2",
    "rtmr3",
    "mrconfigid",
    "mrowner",
    "mrownerconfig",
    "mrservicetd",
    "mrseam",
)
# A service says nothing of MRSERVICETD, and names MRTD as the launch measurement.
MAA_REGISTERS = tuple(name for name in TDX_REGISTERS if name not in {"mrtd", "mrservicetd"})
NITRO_REGISTERS = (0, 1, 2, 3, 4, 8)
RESETTABLE_PCRS = frozenset({16, 23})
BANK_BYTES = {"sha256": 32, "sha384": 48}
# arXiv 2605.12990 (May 2026): the seed of Milan's report keys was read out by software.
BROKEN_PRODUCTS = frozenset({"Milan"})
PRODUCTS = frozenset({"Milan", "Genoa", "Turin"})
UNAPPRAISED = "Unappraised"
_PROFILE_KIND = "attestation-profile"


def parse_profile(data: bytes, *, what: str) -> AttestationProfile:
    """Read an attestation clause from a file of its own.

    Raises:
        MalformedError: Not such a file, or one that contradicts itself.
    """
    wire = parse_document(
        ProfileWire, data, what=what, kind=_PROFILE_KIND, limit=MAX_CONTRACT_BYTES
    )
    return read_profile(wire.attestation, what=what)


def read_profile(wire: AttestationWire, *, what: str) -> AttestationProfile:
    """Turn the wire model into terms that hold together.

    Raises:
        MalformedError: A clause too many, one missing, or one that contradicts itself.
    """
    reader = Reader(what)
    profile = AttestationProfile(
        platforms=reader.names(wire.platforms, "platforms"),
        measurements=reader.digests(wire.measurements, "measurements"),
        debug=Waived(reason=wire.debug.removeprefix(WAIVED))
        if wire.debug.startswith(WAIVED)
        else Forbidden(),
        max_evidence_age=dt.timedelta(seconds=wire.max_evidence_age_seconds),
        max_collateral_age=NoCollateral()
        if wire.max_collateral_age_seconds is None
        else dt.timedelta(seconds=wire.max_collateral_age_seconds),
        clauses=tuple(_clauses(wire, reader)),
        key_sets=vouched_key_sets(wire),
    )
    _require_platforms(profile, reader)
    _require_clauses(profile, reader)
    require_key_sets(profile, reader.problem)
    return profile


def _clauses(wire: AttestationWire, reader: Reader) -> Iterable[Clause]:
    if wire.snp is not None:
        yield _snp(wire.snp, reader)
    if wire.tdx is not None:
        yield _tdx(wire.tdx, reader)
    if wire.pcrs is not None:
        yield _pcrs(wire.pcrs, reader)
    if wire.azure is not None:
        yield _azure(wire.azure, reader)
    yield from _documents(wire, reader)
    if wire.gpus is not None:
        yield _gpus(wire.gpus, reader)


def _documents(wire: AttestationWire, reader: Reader) -> Iterable[Clause]:
    if wire.nitro is not None:
        yield _nitro(wire.nitro, reader)
    if wire.workload is not None:
        yield _workload(wire.workload, reader)
    if wire.maa is not None:
        yield _maa(wire.maa, reader)


def _snp(wire: SnpWire, reader: Reader) -> SnpClause:
    reader.names((item.product for item in wire.minimum_tcb), "snp.minimum_tcb")
    reader.names((item.product for item in wire.risks), "snp.risks")
    clause = SnpClause(
        products=reader.names(wire.products, "snp.products"),
        risks={item.product: item.reason for item in wire.risks},
        launch=reader.octets(wire.launch, "snp.launch"),
        signers=tuple(
            SnpSigner(
                id_key=bytes.fromhex(item.id_key),
                author_key=bytes.fromhex(item.author_key),
                family_id=bytes.fromhex(item.family_id),
                image_id=bytes.fromhex(item.image_id),
                min_svn=item.min_svn,
            )
            for item in wire.signers
        ),
        minimum_tcb={
            item.product: item.model_dump(exclude={"product"}) for item in wire.minimum_tcb
        },
        vmpl=frozenset(wire.vmpl),
        signing_keys=reader.names(wire.signing_keys, "snp.signing_keys"),
        chip_ids=reader.allowed_octets(wire.chip_ids, "snp.chip_ids"),
        host_data=reader.allowed_octets(wire.host_data, "snp.host_data"),
        committed=demand(wire.committed),
        alias_check=demand(wire.alias_check),
        revocation=demand(wire.revocation),
    )
    _require_products(clause, reader)
    return clause


def _require_products(clause: SnpClause, reader: Reader) -> None:
    for product in sorted(clause.products - PRODUCTS):
        raise reader.problem(
            "snp.products", found=repr(product), agreed="Milan, Genoa or Turin", code="product"
        )
    if set(clause.minimum_tcb) != clause.products:
        raise reader.problem(
            "snp.minimum_tcb",
            found="other products than in snp.products",
            agreed="exactly one entry for each of them",
            code="minimum-tcb",
        )
    if set(clause.risks) != clause.products & BROKEN_PRODUCTS:
        raise reader.problem(
            "snp.risks",
            found="other products than the broken ones that are accepted",
            agreed="a reason for Milan if it is accepted, and nothing else",
            code="denied-product",
        )
    # Whoever has the seed of one Milan chip forges reports of that chip only.
    if clause.risks and isinstance(clause.chip_ids, Unrestricted):
        raise reader.problem(
            "snp.chip_ids",
            found="'any' beside a broken product",
            agreed="the chips that are accepted",
            code="denied-product",
        )


def _tdx(wire: TdxWire, reader: Reader) -> TdxClause:
    # Without Intel's collateral only one of the two verifiers has looked at the quote.
    if UNAPPRAISED in wire.tcb_statuses:
        raise reader.problem(
            "tdx.tcb_statuses",
            found=repr(UNAPPRAISED),
            agreed="states that Intel's collateral gives",
            code="unappraised",
        )
    return TdxClause(
        registers={
            name: reader.allowed_octets(getattr(wire, name), f"tdx.{name}")
            for name in TDX_REGISTERS
        },
        tcb_statuses=reader.names(wire.tcb_statuses, "tdx.tcb_statuses"),
        advisories=reader.names(wire.advisories, "tdx.advisories"),
        fmspcs=reader.allowed_octets(wire.fmspcs, "tdx.fmspcs"),
        ppids=reader.allowed_octets(wire.ppids, "tdx.ppids"),
    )


def _pcrs(wire: PcrsWire, reader: Reader) -> PcrClause:
    reader.names((str(item.index) for item in wire.values), "pcrs.values")
    values = {
        item.index: reader.allowed_octets(item.accepted, f"pcrs.values.{item.index}")
        for item in wire.values
    }
    chosen = {wire.runtime, *values}
    if wire.runtime in values or chosen & RESETTABLE_PCRS:
        raise reader.problem(
            "pcrs.values",
            found="the runtime register, or one that a guest can reset",
            agreed="neither: 16 and 23 replay anything, and the runtime register has its own rule",
            code="pcr-index",
        )
    size = BANK_BYTES[wire.bank]
    for accepted in values.values():
        if not isinstance(accepted, Unrestricted) and any(len(item) != size for item in accepted):
            raise reader.problem(
                "pcrs.values",
                found="a value of another length",
                agreed=f"{size} bytes as in bank {wire.bank}",
                code="pcr-length",
            )
    return PcrClause(
        bank=wire.bank,
        values=values,
        runtime=wire.runtime,
        key_trust=reader.names(wire.key_trust, "pcrs.key_trust"),
        keys=reader.allowed_digests(wire.keys, "pcrs.keys"),
    )


def _azure(wire: AzureWire, reader: Reader) -> AzureClause:
    return AzureClause(
        secure_boot=demand(wire.secure_boot),
        no_console=demand(wire.no_console),
        vm_ids=reader.allowed(wire.vm_ids, "azure.vm_ids"),
    )


def _nitro(wire: NitroWire, reader: Reader) -> NitroClause:
    return NitroClause(
        pcrs={
            index: reader.allowed_octets(getattr(wire, f"pcr{index}"), f"nitro.pcr{index}")
            for index in NITRO_REGISTERS
        }
    )


def _workload(wire: WorkloadWire, reader: Reader) -> WorkloadClause:
    return WorkloadClause(
        issuers=reader.names(wire.issuers, "workload.issuers"),
        audiences=reader.names(wire.audiences, "workload.audiences"),
        hardware=reader.names(wire.hardware, "workload.hardware"),
        support=reader.names(wire.support, "workload.support"),
        images=reader.digests(wire.images, "workload.images"),
        arguments=reader.allowed(wire.arguments, "workload.arguments"),
        environment=reader.allowed(wire.environment, "workload.environment"),
        overrides=reader.names(wire.overrides, "workload.overrides"),
        secure_boot=demand(wire.secure_boot),
        projects=reader.allowed(wire.projects, "workload.projects"),
        service_accounts=reader.allowed(wire.service_accounts, "workload.service_accounts"),
    )


def _maa(wire: MaaWire, reader: Reader) -> MaaClause:
    return MaaClause(
        issuers=reader.names(wire.issuers, "maa.issuers"),
        tees=reader.names(wire.tees, "maa.tees"),
        compliance=reader.allowed(wire.compliance, "maa.compliance"),
        launch=reader.octets(wire.launch, "maa.launch"),
        id_keys=reader.octets(wire.id_keys, "maa.id_keys"),
        min_svn=wire.min_svn,
        host_data=reader.allowed_octets(wire.host_data, "maa.host_data"),
        vmpl=frozenset(wire.vmpl),
        minimum_tcb=wire.minimum_tcb.model_dump(),
        registers={
            name: reader.allowed_octets(getattr(wire, name), f"maa.{name}")
            for name in MAA_REGISTERS
        },
        tcb_statuses=reader.names(wire.tcb_statuses, "maa.tcb_statuses"),
    )


def _gpus(wire: GpusWire, reader: Reader) -> GpuClause:
    return GpuClause(
        count=wire.count,
        architectures=reader.names(wire.architectures, "gpus.architectures"),
        driver_rims=reader.digests(wire.driver_rims, "gpus.driver_rims"),
        vbios_rims=reader.digests(wire.vbios_rims, "gpus.vbios_rims"),
        modes=reader.names(wire.modes, "gpus.modes"),
        serials=reader.allowed(wire.serials, "gpus.serials"),
        firmware_id=demand(wire.firmware_id),
        revocation=demand(wire.revocation),
    )


def _require_platforms(profile: AttestationProfile, reader: Reader) -> None:
    # Beside a real platform, an operator would simply choose to simulate (T-21).
    alone = sorted(profile.platforms & STAND_ALONE)
    if alone and len(profile.platforms) > 1:
        raise reader.problem(
            "platforms",
            found=f"{alone[0]!r} beside another platform",
            agreed=f"{alone[0]!r} alone, or not at all",
            code="simulated",
        )


def _require_clauses(profile: AttestationProfile, reader: Reader) -> None:
    demanded: set[type[Clause]] = set()
    for platform in profile.platforms:
        demanded |= PLATFORM_CLAUSES.get(platform, frozenset())
    written = {type(clause) for clause in profile.clauses}
    optional = frozenset() if profile.platforms & STAND_ALONE else frozenset({GpuClause})
    _require_same(demanded, written, optional, reader)
    dated = (
        bool(profile.platforms & DATED_PLATFORMS) or GpuClause in written or bool(profile.key_sets)
    )
    if dated is isinstance(profile.max_collateral_age, NoCollateral):
        raise reader.problem(
            "max_collateral_age_seconds",
            found="none" if dated else "one",
            agreed="one" if dated else "none: these platforms have no dated collateral",
            code="missing" if dated else "unknown-key",
        )


def _require_same(
    demanded: set[type[Clause]],
    written: set[type[Clause]],
    optional: frozenset[type[Clause]],
    reader: Reader,
) -> None:
    by_name: Callable[[type[Clause]], str] = CLAUSE_NAMES.__getitem__
    for clause in sorted(demanded - written, key=by_name):
        raise reader.problem(
            by_name(clause),
            found="no such clause",
            agreed="it is mandatory for the platforms named",
            code="missing",
        )
    for clause in sorted(written - demanded - optional, key=by_name):
        raise reader.problem(
            by_name(clause),
            found="a clause",
            agreed="none: no platform named reports such facts",
            code="unknown-key",
        )
