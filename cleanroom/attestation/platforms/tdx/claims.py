# SPDX-License-Identifier: Apache-2.0
"""What a genuine TDX or SGX quote claims."""

from __future__ import annotations

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import UNAPPRAISED, Facts, TdxFacts
from cleanroom.attestation.foreign_facts import SgxFacts
from cleanroom.attestation.platform import (
    Carried,
    Check,
    Claims,
    CollateralFact,
    SelfReported,
    Undated,
)
from cleanroom.attestation.platforms.tdx.body import (
    TD_MIGRATABLE,
    TD_REBINDABLE,
    TD_UNKNOWN,
    Domain,
    Enclave,
)
from cleanroom.attestation.platforms.tdx.second import Level
from cleanroom.attestation.platforms.tdx.structure import SoundQuote
from cleanroom.errors import MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.record import dataclass

TDX_PLATFORM = "tdx"
SGX_PLATFORM = "sgx-dcap"
REPORT_PLACE = "report_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenuineQuote:
    """A quote that Intel's root vouches for; made by ``verify_quote`` alone.

    Attributes:
        sound: Quote, chain and platform.
        level: TCB status and advisories.
        collateral: Dates of the collateral; empty if none came along.
    """

    sound: SoundQuote
    level: Level
    collateral: tuple[CollateralFact, ...]


def domain_claims(genuine: GenuineQuote) -> Claims:
    """Turn a genuine quote of a trust domain into claims of the ``tdx`` kind."""
    return _claims(genuine, platform=TDX_PLATFORM, facts=domain_facts(genuine))


def enclave_claims(genuine: GenuineQuote) -> Claims:
    """Turn a genuine quote of an enclave into claims of the ``sgx-dcap`` kind."""
    return _claims(genuine, platform=SGX_PLATFORM, facts=enclave_facts(genuine))


def domain_of(genuine: GenuineQuote) -> Domain:
    """Return the trust domain that a quote is about.

    Raises:
        MalformedError: It is about an enclave.
    """
    body = genuine.sound.quote.body
    if not isinstance(body, Domain):
        raise MalformedError("dcap quote: found an enclave against a domain", code="dcap.kind")
    return body


def enclave_of(genuine: GenuineQuote) -> Enclave:
    """Return the enclave that a quote is about.

    Raises:
        MalformedError: It is about a trust domain.
    """
    body = genuine.sound.quote.body
    if not isinstance(body, Enclave):
        raise MalformedError("dcap quote: found a domain against an enclave", code="dcap.kind")
    return body


def domain_facts(genuine: GenuineQuote) -> TdxFacts:
    """Write the facts that a contract can speak about."""
    body = domain_of(genuine)
    return TdxFacts(
        mrtd=body.mrtd,
        rtmrs=body.rtmrs,
        mrconfigid=body.mrconfigid,
        mrowner=body.mrowner,
        mrownerconfig=body.mrownerconfig,
        mrservicetd=body.mrservicetd,
        mrseam=body.mrseam,
        mrsignerseam=body.mrsignerseam,
        seam_attributes=body.seam_attributes,
        attributes=body.attributes,
        migratable=bool(body.attributes & TD_MIGRATABLE),
        rebindable=bool(body.attributes & TD_REBINDABLE),
        unknown_attributes=body.attributes & TD_UNKNOWN,
        partition=body.extension.partition,
        xfam=body.xfam,
        tcb_status=genuine.level.status,
        advisories=genuine.level.advisories,
        fmspc=genuine.sound.platform.fmspc,
        ppid=genuine.sound.platform.ppid,
    )


def enclave_facts(genuine: GenuineQuote) -> SgxFacts:
    """Write the facts of an enclave."""
    body = enclave_of(genuine)
    return SgxFacts(
        mrenclave=body.mrenclave,
        mrsigner=body.mrsigner,
        product_id=body.product_id,
        svn=body.svn,
        tcb_status=genuine.level.status,
        advisories=genuine.level.advisories,
        fmspc=genuine.sound.platform.fmspc,
        ppid=genuine.sound.platform.ppid,
    )


def checks_of(genuine: GenuineQuote) -> tuple[Check, ...]:
    """Tell a reader what held, in the order of the checks."""
    quote, chain = genuine.sound.quote, genuine.sound.chain
    dated = genuine.collateral
    found = (
        ("quote format", f"DCAP version {quote.version}, {quote.padding} bytes of padding"),
        ("root", "Intel SGX Root CA, pinned"),
        ("certificates", f"valid until {format_time(chain.leaf.not_valid_after_utc)}"),
        ("quoting enclave", "Intel's signer, debug off, vouches for the attestation key"),
        ("quote signature", f"ECDSA P-256 over {len(quote.signed)} bytes"),
        (
            "collateral",
            f"Intel's, until {format_time(min(item.expires_at for item in dated))}"
            if dated
            else "none supplied: revocation and TCB level unknown",
        ),
        (
            "second verifier",
            "not asked" if genuine.level.status == UNAPPRAISED else "dcap-qvl accepts too",
        ),
        ("TCB status", genuine.level.status),
    )
    return tuple(Check(name=name, found=text) for name, text in found)


def details_of(genuine: GenuineQuote) -> dict[str, str]:
    """Write further facts for people."""
    quote = genuine.sound.quote
    return {
        "dcap.version": str(quote.version),
        "dcap.qe-svn": str(quote.enclave.svn),
        "dcap.qe-mrenclave": quote.enclave.mrenclave.hex(),
        "dcap.pceid": genuine.sound.platform.pceid.hex(),
        **_extended(quote.body),
    }


def _extended(body: Domain | Enclave) -> dict[str, str]:
    """Write what only the longest body says; nobody decides anything by it but its partition."""
    if not isinstance(body, Domain) or not any(body.extension.domain_id):
        return {}
    more = body.extension
    return {
        "tdx.domain-id": more.domain_id.hex(),
        "tdx.devices": more.devices.hex(),
        "tdx.service-at-creation": more.first_service.hex(),
        "tdx.service-now": more.service.hex(),
        "tdx.module-at-creation": more.first_tee_tcb_svn.hex(),
    }


def _claims(genuine: GenuineQuote, *, platform: str, facts: Facts) -> Claims:
    body = genuine.sound.quote.body
    return Claims(
        platform=platform,
        confidential=True,
        runner=SelfReported(),
        carried=(Carried(place=REPORT_PLACE, channel=Channel.REPORT, found=body.report_data),),
        debug=body.debug,
        issued_at=Undated(),
        facts=(facts,),
        collateral=genuine.collateral,
        checks=checks_of(genuine),
        details=details_of(genuine),
    )
