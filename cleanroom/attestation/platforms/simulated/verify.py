# SPDX-License-Identifier: Apache-2.0
"""Is this simulated report genuine? As far as a published key can tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.attestation.platform import Claims
from cleanroom.attestation.platforms.simulated.claims import PLACE, claims_of
from cleanroom.attestation.platforms.simulated.parse import SimulatedReport, parse_report
from cleanroom.attestation.platforms.simulated.root import (
    KEY_BYTES,
    NOT_AFTER,
    NOT_BEFORE,
    PLATFORM,
    ROOT_BYTES,
)
from cleanroom.attestation.progress import held
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

ROOT_ITEM = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVerifier:
    """Verify simulated evidence against one pinned root.

    Attributes:
        root: SHA-256 of the only root document that counts.
    """

    root: Digest

    platform: ClassVar[str] = PLATFORM
    # Tell that nothing is protected here.
    confidential: ClassVar[bool] = False
    # The one place that the guest fills in.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({PLACE: Channel.REPORT})
    nonce_place: ClassVar[str] = PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = ()

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what the evidence claims.

        Raises:
            MalformedError: 1. The report or the collateral is not of this format.
            IntegrityError: 2. The root is not the pinned one. 4. The signature does not match.
            EvidenceRefusedError: 3. The root is not valid at that time.
        """
        # 1. Exact length and closed collateral: trailing bytes are a place to hide things.
        report = parse_report(item.report)
        supplied = _supplied_root(item)
        held("form of the report")
        # 2. The root that the attester sends is data. Only the pin says whom to believe.
        self.root.require(Digest.of(supplied), what="simulated root")
        held("published root")
        # 3. Before the signature, as for a certificate chain.
        _require_valid(at)
        held("time")
        # 4. Over the received bytes, never over fields written again.
        _require_signature(report, supplied[-KEY_BYTES:])
        return claims_of(report)


def _supplied_root(item: EvidenceItem) -> bytes:
    if set(item.collateral) != {ROOT_ITEM}:
        raise MalformedError(
            f"simulated evidence: collateral other than {ROOT_ITEM!r}", code="simulated.collateral"
        )
    root = item.collateral[ROOT_ITEM]
    if len(root) != ROOT_BYTES:
        raise MalformedError(
            f"simulated root: found {len(root)} bytes against {ROOT_BYTES}",
            code="simulated.root-length",
        )
    return root


def _require_valid(at: dt.datetime) -> None:
    if not NOT_BEFORE <= at < NOT_AFTER:
        raise EvidenceRefusedError(
            f"simulated root: judged at {format_time(at)}, valid from {format_time(NOT_BEFORE)}"
            f" until {format_time(NOT_AFTER)}",
            code="attestation.root-expired",
            hint="check the clock of this machine",
        )


def _require_signature(report: SimulatedReport, key: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(report.signature, report.signed)
    except InvalidSignature:
        raise IntegrityError(
            "simulated report: the signature does not match", code="attestation.signature"
        ) from None
