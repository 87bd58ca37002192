# SPDX-License-Identifier: Apache-2.0
"""What a genuine SEV-SNP report claims."""

from __future__ import annotations

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import SnpFacts
from cleanroom.attestation.platform import (
    Carried,
    Check,
    Claims,
    CollateralFact,
    SelfReported,
    Undated,
)
from cleanroom.attestation.platforms.sev_snp.parse import SnpReport
from cleanroom.attestation.platforms.sev_snp.product import Product, read_tcb
from cleanroom.attestation.platforms.sev_snp.vek import Vek
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.record import dataclass

PLATFORM = "snp"
REPORT_PLACE = "report_data"

_ALIAS_CHECK_COMPLETE = 1 << 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineSnp:
    """A report that AMD's root vouches for; made by ``verify_snp`` alone.

    Attributes:
        report: Its fields.
        vek: The certificate of the key that signed it.
        product: What report, certificate and chain agree on.
        collateral: The revocation list, if there was one.
    """

    report: SnpReport
    vek: Vek
    product: Product
    collateral: tuple[CollateralFact, ...]


def claims_of(genuine: GenuineSnp) -> Claims:
    """Turn a genuine report into claims of the ``snp`` kind."""
    report = genuine.report
    return Claims(
        platform=PLATFORM,
        confidential=True,
        runner=SelfReported(),
        carried=(Carried(place=REPORT_PLACE, channel=Channel.REPORT, found=report.report_data),),
        debug=report.policy.debug,
        issued_at=Undated(),
        facts=(facts_of(genuine),),
        collateral=genuine.collateral,
        checks=checks_of(genuine),
        details=details_of(genuine),
    )


def facts_of(genuine: GenuineSnp) -> SnpFacts:
    """Write the facts that a contract can speak about."""
    report = genuine.report
    return SnpFacts(
        version=report.version,
        product=genuine.product.value,
        launch=report.measurement,
        id_key=report.id_key_digest,
        author_key=report.author_key_digest,
        guest_svn=report.guest_svn,
        family_id=report.family_id,
        image_id=report.image_id,
        vmpl=report.vmpl,
        policy=report.policy.raw,
        migratable=report.policy.migration_agent,
        tcb=read_tcb(report.reported_tcb, genuine.product).components,
        provisional=is_provisional(report),
        chip_id=report.chip_id,
        signing_key=report.signing_key.name.lower(),
        host_data=report.host_data,
        platform_info=report.platform_info,
        alias_checked=bool(report.platform_info & _ALIAS_CHECK_COMPLETE),
    )


def is_provisional(report: SnpReport) -> bool:
    """Tell whether the firmware that runs may still be rolled back (AMD 56860 section 3.3)."""
    return (report.current_tcb, report.current_build) != (
        report.committed_tcb,
        report.committed_build,
    )


def checks_of(genuine: GenuineSnp) -> tuple[Check, ...]:
    """Tell a reader what held, in the order of the checks."""
    report, vek = genuine.report, genuine.vek
    listed = genuine.collateral
    found = (
        ("report format", f"SEV-SNP version {report.version}"),
        ("signing key", f"{vek.kind.name}{f' of {vek.cloud}' if vek.cloud else ''}"),
        ("product", genuine.product.value),
        ("root", f"AMD's ARK of {genuine.product.value}, pinned"),
        ("certificates", f"valid until {format_time(vek.not_after)}"),
        (
            "revocation",
            f"list of {format_time(listed[0].issued_at)}" if listed else "no list supplied",
        ),
        ("report signature", "ECDSA P-384 over 672 bytes"),
        ("firmware versions", "report and certificate agree"),
        ("chip", "report and certificate agree" if vek.hardware_id else "not named by a VLEK"),
    )
    return tuple(Check(name=name, found=text) for name, text in found)


def details_of(genuine: GenuineSnp) -> dict[str, str]:
    """Write further facts for people."""
    report = genuine.report
    return {
        "snp.version": str(report.version),
        "snp.report-id": report.report_id.hex(),
        "snp.current-tcb": report.current_tcb.hex(),
        "snp.committed-tcb": report.committed_tcb.hex(),
        "snp.launch-tcb": report.launch_tcb.hex(),
        "snp.launch-mitigations": f"{report.launch_mitigations:#x}",
        "snp.current-mitigations": f"{report.current_mitigations:#x}",
        "snp.abi": f"{report.policy.abi_major}.{report.policy.abi_minor}",
        "snp.smt": "allowed" if report.policy.smt else "forbidden",
        "snp.single-socket": "required" if report.policy.single_socket else "not required",
        "snp.author-key": "signed the ID key" if report.author_key else "none",
    }
