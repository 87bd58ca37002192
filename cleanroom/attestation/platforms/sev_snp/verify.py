# SPDX-License-Identifier: Apache-2.0
"""Is this SEV-SNP report genuine? One numbered list; nothing here is policy.

Collateral: ``vek`` (VCEK or VLEK, DER), ``chain`` (PEM: ASK or ASVK, then ARK)
and, if there is one, ``crl`` (AMD's list, DER). On Azure's confidential containers
``uvm``, Microsoft's endorsement of the launch measurement, may stand beside them.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, SnpFacts
from cleanroom.attestation.platform import Check, Claims
from cleanroom.attestation.platforms.azure_uvm.endorsement import (
    require_endorsed,
    verify_endorsement,
)
from cleanroom.attestation.platforms.azure_uvm.root import ROOT as UVM_ROOT
from cleanroom.attestation.platforms.sev_snp.chain import (
    CHAIN_ITEM,
    UVM_ITEM,
    VEK_ITEM,
    check_revocation,
    collateral_of,
    pinned_issuers,
    require_chain,
)
from cleanroom.attestation.platforms.sev_snp.claims import (
    PLATFORM,
    REPORT_PLACE,
    GenuineSnp,
    claims_of,
)
from cleanroom.attestation.platforms.sev_snp.parse import SigningKey, SnpReport, parse_report
from cleanroom.attestation.platforms.sev_snp.product import Product, read_tcb
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS, Pins
from cleanroom.attestation.platforms.sev_snp.vek import Vek, parse_vek
from cleanroom.attestation.progress import held
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpVerifier:
    """Verify plain SEV-SNP evidence against AMD's pinned roots.

    Attributes:
        pins: Product to its pinned certificates; a product without any is refused.
        endorser: Pin of the root above Microsoft's endorsements.
    """

    pins: Mapping[Product, Pins]
    endorser: Digest = UVM_ROOT

    platform: ClassVar[str] = PLATFORM
    confidential: ClassVar[bool] = True
    # REPORT_DATA carries all 64 bytes.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({REPORT_PLACE: Channel.REPORT})
    nonce_place: ClassVar[str] = REPORT_PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (SnpFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine report claims; see :func:`verify_snp` for the steps.

        An endorsement beside it must hold and be of what the report measured.

        Raises:
            MalformedError: Not the format it claims to be.
            IntegrityError: A pin, a signature or a cross-check does not match.
            EvidenceRefusedError: Genuine, and out of its time, masked, revoked, or endorsed
                as something else.
        """
        genuine = verify_snp(item.report, item.collateral, pins=self.pins, at=at, also=(UVM_ITEM,))
        claims = claims_of(genuine)
        if UVM_ITEM not in item.collateral:
            return claims
        held("report, certificates and chip")
        endorsed = verify_endorsement(item.collateral[UVM_ITEM], root=self.endorser, at=at)
        require_endorsed(endorsed, genuine.report.measurement)
        found = f"launch measurement, for {endorsed.feed}, version {endorsed.guest_svn}"
        return replace(claims, checks=(*claims.checks, Check(name="endorsed", found=found)))


VERIFIER = SnpVerifier(pins=AMD_PINS)


def verify_snp(
    report: bytes,
    collateral: Mapping[str, bytes],
    *,
    pins: Mapping[Product, Pins],
    at: dt.datetime,
    also: tuple[str, ...] = (),
) -> GenuineSnp:
    """Return a report that AMD's root vouches for.

    Args:
        report: The 1184 bytes.
        collateral: ``vek``, ``chain`` and perhaps ``crl``.
        pins: Product to its pinned certificates.
        at: The time to judge certificates by.
        also: Collateral items that another layer reads.

    Raises:
        MalformedError: 1. Report or collateral are not of their formats.
        IntegrityError: 2. Key or product disagree. 3. A root is not pinned. 4. The
            chain does not hold. 6. The report's signature does not match.
            7. The firmware versions differ. 8. The chip differs.
        EvidenceRefusedError: 4. A certificate is out of its time. 5. The issuer is
            revoked. 8. The chip is masked.
    """
    # 1. Exact lengths and closed collateral: unsigned bytes are a place to hide things.
    parsed = parse_report(report)
    items = collateral_of(collateral, also=also)
    vek = parse_vek(items[VEK_ITEM])
    held("form of report and certificates")
    # 2. A cloud's key must not pass where one chip's is expected, nor a Turin report
    # be read with Milan's layout of versions.
    _require_key_kind(parsed, vek)
    product = _require_product(parsed, vek, pins)
    held("kind of key, product")
    # 3. Root and issuer that the attester sends are data; only the pins say whom to believe.
    issuers = pinned_issuers(items[CHAIN_ITEM], pins[product], vek.kind)
    held("pinned root and issuer")
    # 4. A self-made key that bears AMD's names.
    require_chain(vek, issuers, at=at)
    held("certificate chain and its time")
    # 5. An issuer that AMD withdrew.
    collateral_facts = check_revocation(items, issuers, at=at)
    # 6. Over the received bytes, never over fields written again.
    _require_signature(parsed, vek)
    held("signature of the report")
    # 7. Without it, a host rolls firmware back to a version whose key leaked and
    # reports a newer one.
    _require_tcb(parsed, vek, product)
    held("firmware versions of report and certificate")
    # 8. A genuine report of one chip under the certificate of another.
    _require_chip(parsed, vek)
    return GenuineSnp(report=parsed, vek=vek, product=product, collateral=collateral_facts)


def _require_key_kind(report: SnpReport, vek: Vek) -> None:
    if report.signing_key is not vek.kind:
        raise IntegrityError(
            f"snp signing key: the report names {report.signing_key.name},"
            f" the certificate is of a {vek.kind.name}, agreed the same",
            code="snp.signing-key-kind",
        )


def _require_product(report: SnpReport, vek: Vek, pins: Mapping[Product, Pins]) -> Product:
    # Before version 3 a report does not name its processor, so only the certificate does.
    if report.product not in {None, vek.product}:
        raise IntegrityError(
            f"snp product: the report is of {report.product.value if report.product else ''},"
            f" the certificate of {vek.product.value}, agreed the same",
            code="snp.product-mismatch",
        )
    if vek.product not in pins:
        raise EvidenceRefusedError(
            f"snp product: found {vek.product.value}, agreed "
            + (", ".join(sorted(item.value for item in pins)) or "none"),
            code="snp.product-unpinned",
        )
    return vek.product


def _require_signature(report: SnpReport, vek: Vek) -> None:
    signature = encode_dss_signature(report.signature_r, report.signature_s)
    try:
        vek.key.verify(signature, report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature:
        raise IntegrityError(
            "snp report: the signature does not match", code="attestation.signature"
        ) from None


def _require_tcb(report: SnpReport, vek: Vek, product: Product) -> None:
    if not hmac.compare_digest(report.reported_tcb, vek.tcb):
        raise IntegrityError(
            f"snp tcb: the report says {_written(report.reported_tcb, product)},"
            f" the certificate {_written(vek.tcb, product)}, agreed the same",
            code="snp.tcb",
            hint="fetch the certificate that belongs to the reported firmware",
        )


def _written(raw: bytes, product: Product) -> str:
    components = read_tcb(raw, product).components
    return " ".join(f"{name} {number}" for name, number in components.items())


def _require_chip(report: SnpReport, vek: Vek) -> None:
    if vek.kind is SigningKey.VLEK:
        return
    if not any(report.chip_id):
        raise EvidenceRefusedError(
            "snp chip id: found masked, agreed the chip of the certificate",
            code="snp.chip-masked",
            hint="the host sets MASK_CHIP_ID; without it the chip's identity shows",
        )
    if not hmac.compare_digest(report.chip_id, vek.hardware_id.ljust(len(report.chip_id), b"\0")):
        raise IntegrityError(
            "snp chip id: the report is of another chip than the certificate, agreed one chip",
            code="snp.chip",
        )
