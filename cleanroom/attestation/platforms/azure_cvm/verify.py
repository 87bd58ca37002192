# SPDX-License-Identifier: Apache-2.0
"""Is this Azure evidence genuine? From the processor's root to the virtual TPM's quote.

Collateral is that of the processor: ``vek``, ``chain`` and ``crl`` of SEV-SNP, or
``dcap`` of TDX.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import (
    AzureFacts,
    Facts,
    NoRuntimeLog,
    QuoteFacts,
    RuntimeLog,
    SnpFacts,
    TdxFacts,
)
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.azure_cvm.claims import (
    QUOTE_PLACE,
    SNP_PLATFORM,
    TDX_PLATFORM,
    USER_DATA_PLACE,
    VirtualTpm,
    snp_claims,
    tdx_claims,
)
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware, HclReport, require_claims
from cleanroom.attestation.platforms.azure_cvm.parse import AzureReport, parse_report
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import RuntimeClaims, parse_claims
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS, Pins
from cleanroom.attestation.platforms.sev_snp.verify import verify_snp
from cleanroom.attestation.platforms.tdx.claims import domain_of
from cleanroom.attestation.platforms.tdx.parse import TDX_TEE
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS, IntelPins
from cleanroom.attestation.platforms.tdx.verify import verify_quote as verify_td_quote
from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.parse import parse_quote, rsassa_sha256
from cleanroom.attestation.platforms.tpm.public import QuoteKey
from cleanroom.attestation.platforms.tpm.quote import QuotedRegisters, verify_quote
from cleanroom.attestation.progress import held
from cleanroom.attestation.runtime_log import require_runtime_log
from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

_CARRIERS: Mapping[str, Channel] = {
    QUOTE_PLACE: Channel.TPM,
    USER_DATA_PLACE: Channel.REPORT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSnpVerifier:
    """Verify an Azure confidential VM on SEV-SNP.

    Attributes:
        pins: Product to AMD's pinned certificates.
    """

    pins: Mapping[Product, Pins]

    platform: ClassVar[str] = SNP_PLATFORM
    confidential: ClassVar[bool] = True
    # The quote, and what the hardware report digests.
    carriers: ClassVar[Mapping[str, Channel]] = _CARRIERS
    nonce_place: ClassVar[str] = QUOTE_PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (SnpFacts, QuoteFacts, AzureFacts)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what genuine evidence claims.

        Raises:
            MalformedError: 1. The parts are not of their formats, or of other hardware.
            IntegrityError: 2. The hardware report, 3. the digest of the claims or
                4. the quote does not hold.
            EvidenceRefusedError: 2. Out of its time, masked or revoked.
        """
        # 1. Closed parts, of the hardware that the contract named.
        report, hcl = _parts(item.report, Hardware.SEV_SNP)
        if report.td_quote:
            raise MalformedError("azure evidence: a TDX quote on SEV-SNP", code="azure.td-quote")
        # 2. The processor vouches for the paravisor.
        genuine = verify_snp(hcl.hardware_report, item.collateral, pins=self.pins, at=at)
        # 3. The paravisor vouches for the key, in a report that the guest cannot write.
        require_claims(hcl, genuine.report.report_data)
        held("the hardware report carries the paravisor's claims")
        claims = parse_claims(hcl.claims)
        # 4. The key vouches for the registers, now.
        tpm = verify_virtual_tpm(report, claims)
        return snp_claims(genuine, claims, tpm)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureTdxVerifier:
    """Verify an Azure confidential VM on TDX.

    Attributes:
        pins: Intel's root and quoting enclaves.
    """

    pins: IntelPins

    platform: ClassVar[str] = TDX_PLATFORM
    confidential: ClassVar[bool] = True
    # The quote, and what the hardware report digests.
    carriers: ClassVar[Mapping[str, Channel]] = _CARRIERS
    nonce_place: ClassVar[str] = QUOTE_PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (TdxFacts, QuoteFacts, AzureFacts)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what genuine evidence claims.

        Raises:
            MalformedError: 1. The parts are not of their formats, or of other hardware.
            IntegrityError: 2. The TDX quote, 3. the digest of the claims or 4. the
                TPM's quote does not hold.
            EvidenceRefusedError: 2. Out of its time or revoked.
            UnavailableError: 2. The second verifier is not installed.
        """
        # 1. Closed parts. The TDREPORT inside is keyed to its machine and proves
        # nothing elsewhere, so it is not read: the quote is.
        report, hcl = _parts(item.report, Hardware.TDX)
        # 2. to 4. as on SEV-SNP.
        genuine = verify_td_quote(
            report.td_quote, item.collateral, tee=TDX_TEE, pins=self.pins, at=at
        )
        require_claims(hcl, domain_of(genuine).report_data)
        held("the hardware report carries the paravisor's claims")
        claims = parse_claims(hcl.claims)
        tpm = verify_virtual_tpm(report, claims)
        return tdx_claims(genuine, claims, tpm)


SNP_VERIFIER = AzureSnpVerifier(pins=AMD_PINS)
TDX_VERIFIER = AzureTdxVerifier(pins=INTEL_PINS)


def verify_virtual_tpm(report: AzureReport, claims: RuntimeClaims) -> VirtualTpm:
    """Return the registers that the paravisor's TPM quoted.

    The paravisor made the key, restricted to quotes, and the hardware digests it; no
    other key in the evidence counts. What was quoted, and for what, is for the
    contract to compare: the selection goes into the facts exactly as signed.

    Raises:
        MalformedError: Not a quote, over several banks, or values that do not belong.
        IntegrityError: The signature or the digest of the registers does not match, or
            the runtime log does not replay.
    """
    quote = parse_quote(report.message)
    if len(quote.selections) != 1:
        raise MalformedError(
            f"azure quote: found {len(quote.selections)} banks against one", code="azure.banks"
        )
    (selection,) = quote.selections
    # An index in the list means nothing by itself: the signed selection says which
    # register each value is, so a resettable one cannot pose as another.
    if len(report.pcrs) != len(selection.pcrs):
        raise MalformedError(
            f"azure quote: found {len(report.pcrs)} values against {selection}",
            code="azure.pcrs",
        )
    registers = verify_quote(
        report.message,
        signature=rsassa_sha256(report.signature),
        key=QuoteKey(key=claims.ak, scheme=Scheme.RSASSA, hash=Hash.SHA256),
        qualifying_data=quote.extra_data,
        selection=selection,
        values=dict(zip(sorted(selection.pcrs), report.pcrs, strict=True)),
    )
    return VirtualTpm(
        registers=registers, key=claims.ak, runtime=_runtime(report.runtime, registers)
    )


def _runtime(
    log: RuntimeLog | NoRuntimeLog, registers: QuotedRegisters
) -> RuntimeLog | NoRuntimeLog:
    if isinstance(log, NoRuntimeLog):
        return log
    # A log that leaves out what else was extended would hide what else may run.
    return require_runtime_log(
        log,
        value=registers.values.get(log.register, b""),
        hashed=registers.selection.bank.digest,
    )


def _parts(data: bytes, hardware: Hardware) -> tuple[AzureReport, HclReport]:
    report = parse_report(data)
    hcl = report.parsed_hcl()
    if hcl.hardware is not hardware:
        raise MalformedError(
            f"azure evidence: found hardware {hcl.hardware.name}, agreed {hardware.name}",
            code="azure.hardware",
        )
    return report, hcl
