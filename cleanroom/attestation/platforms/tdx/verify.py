# SPDX-License-Identifier: Apache-2.0
"""Is this TDX or SGX quote genuine? Two verifiers that must both accept.

Collateral: ``dcap``, see :mod:`cleanroom.attestation.platforms.tdx.collateral`.
Without it the quote is checked up to Intel's root, and its TCB status is
``Unappraised``, which no contract can accept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, TdxFacts
from cleanroom.attestation.foreign_facts import SgxFacts
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.tdx.body import (
    TD_CLOSED_PAGES,
    TD_MIGRATABLE,
    TD_REBINDABLE,
    TD_UNKNOWN,
    Domain,
    Enclave,
)
from cleanroom.attestation.platforms.tdx.boot_log import LOG_ITEM, require_boot_log
from cleanroom.attestation.platforms.tdx.claims import (
    REPORT_PLACE,
    SGX_PLATFORM,
    TDX_PLATFORM,
    GenuineQuote,
    domain_claims,
    domain_of,
    enclave_claims,
)
from cleanroom.attestation.platforms.tdx.collateral import check_collateral, parse_collateral
from cleanroom.attestation.platforms.tdx.levels import require_agreement
from cleanroom.attestation.platforms.tdx.parse import SGX_TEE, TDX_TEE
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS, IntelPins
from cleanroom.attestation.platforms.tdx.second import NO_LEVEL, require_second_opinion
from cleanroom.attestation.platforms.tdx.structure import verify_structure
from cleanroom.attestation.progress import held
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.record import dataclass

COLLATERAL_ITEM = "dcap"


@dataclass(frozen=True, slots=True, kw_only=True)
class TdxVerifier:
    """Verify TDX quotes against Intel's pinned root.

    Attributes:
        pins: Root and quoting enclaves that count.
    """

    pins: IntelPins

    platform: ClassVar[str] = TDX_PLATFORM
    confidential: ClassVar[bool] = True
    # REPORTDATA carries all 64 bytes.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({REPORT_PLACE: Channel.REPORT})
    nonce_place: ClassVar[str] = REPORT_PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (TdxFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine quote claims; see :func:`verify_quote` for the steps.

        A firmware log beside it must replay to the quoted registers.

        Raises:
            MalformedError: Not the format it claims to be.
            IntegrityError: A pin, a signature or a cross-check does not match.
            EvidenceRefusedError: Genuine, and out of its time or revoked.
            UnavailableError: The second verifier is not installed.
        """
        beside = {name: data for name, data in item.collateral.items() if name != LOG_ITEM}
        genuine = verify_quote(item.report, beside, tee=TDX_TEE, pins=self.pins, at=at)
        claims = domain_claims(genuine)
        if LOG_ITEM not in item.collateral:
            return claims
        held("quote and collateral")
        check = require_boot_log(item.collateral[LOG_ITEM], domain_of(genuine).rtmrs)
        return replace(claims, checks=(*claims.checks, check))


@dataclass(frozen=True, slots=True, kw_only=True)
class SgxVerifier:
    """Verify SGX quotes for strangers; no runner of ours is an enclave.

    Attributes:
        pins: Root and quoting enclaves that count.
    """

    pins: IntelPins

    platform: ClassVar[str] = SGX_PLATFORM
    confidential: ClassVar[bool] = True
    # REPORTDATA carries all 64 bytes.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({REPORT_PLACE: Channel.REPORT})
    nonce_place: ClassVar[str] = REPORT_PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (SgxFacts,)

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine quote claims; see :func:`verify_quote` for the steps.

        Raises:
            MalformedError: Not the format it claims to be.
            IntegrityError: A pin, a signature or a cross-check does not match.
            EvidenceRefusedError: Genuine, and out of its time or revoked.
            UnavailableError: The second verifier is not installed.
        """
        return enclave_claims(
            verify_quote(item.report, item.collateral, tee=SGX_TEE, pins=self.pins, at=at)
        )


TDX_VERIFIER = TdxVerifier(pins=INTEL_PINS)
SGX_VERIFIER = SgxVerifier(pins=INTEL_PINS)


def verify_quote(
    quote: bytes,
    collateral: Mapping[str, bytes],
    *,
    tee: int,
    pins: IntelPins,
    at: dt.datetime,
) -> GenuineQuote:
    """Return a quote that Intel's root vouches for.

    Args:
        quote: The quote, perhaps with padding behind it.
        collateral: ``dcap``, or nothing.
        tee: Which kind is expected.
        pins: Root and quoting enclaves that count.
        at: The time to judge by.

    Raises:
        MalformedError: 1. An unknown item of collateral. 2. Not a quote of this kind.
            3. Collateral of another format.
        IntegrityError: 2. The quote, or 3. its collateral does not hold. 4. The
            second verifier refuses.
        EvidenceRefusedError: 2., 3. Something is out of its time or revoked.
        UnavailableError: 4. The second verifier is not installed.
    """
    # 1. What nobody reads must not travel along as if it had been checked.
    if not collateral.keys() <= {COLLATERAL_ITEM}:
        raise MalformedError(
            f"dcap evidence: found collateral of another name, agreed {COLLATERAL_ITEM}",
            code="dcap.collateral",
        )

    # 2. Ours: from the pinned root to the signed body.
    def beside() -> str:
        found = collateral.get(COLLATERAL_ITEM)
        return "" if found is None else parse_collateral(found).pck_chain

    sound = verify_structure(quote, tee=tee, pins=pins, at=at, beside=beside)
    if COLLATERAL_ITEM not in collateral:
        return GenuineQuote(sound=sound, level=NO_LEVEL, collateral=())
    # 3. Ours: is the collateral Intel's, current, and about this platform?
    parsed = parse_collateral(collateral[COLLATERAL_ITEM])
    facts, levels = check_collateral(parsed, sound, pins=pins, at=at)
    held("Intel's collateral: signed, current, of this platform")
    _require_closed(sound.quote.body)
    # 4. Theirs: all of it again, and the TCB level; neither reading may be the better one.
    level = require_second_opinion(sound, parsed, at=at)
    require_agreement(levels, level.status)
    return GenuineQuote(sound=sound, level=level, collateral=facts)


def _require_closed(body: Domain | Enclave) -> None:
    """Refuse by name what the second verifier refuses without one.

    Raises:
        EvidenceRefusedError: The host may look into the domain, move it, or do what no
            known revision describes.
    """
    if not isinstance(body, Domain):
        return
    refusals = {
        "debug or profiling": (body.debug, "attestation.debug"),
        "a guest that may be moved": (body.attributes & TD_MIGRATABLE, "dcap.migratable"),
        "service domains that may be exchanged": (
            body.attributes & TD_REBINDABLE,
            "dcap.rebindable",
        ),
        f"unknown ones, {body.attributes & TD_UNKNOWN:#x}": (
            body.attributes & TD_UNKNOWN,
            "dcap.attributes",
        ),
    }
    for found, (is_set, code) in refusals.items():
        if is_set:
            raise EvidenceRefusedError(f"tdx attributes: found {found}, agreed none", code=code)
    if not body.attributes & TD_CLOSED_PAGES:
        raise EvidenceRefusedError(
            "tdx attributes: found faults of taken pages left to the guest, agreed off",
            code="dcap.closed-pages",
            hint="start the domain with SEPT_VE_DISABLE",
        )
