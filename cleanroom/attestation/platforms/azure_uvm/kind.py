# SPDX-License-Identifier: Apache-2.0
"""Endorsements of Azure's utility VM for the command line; no contract takes one for evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts
from cleanroom.attestation.platform import (
    About,
    Check,
    Claims,
    CollateralFact,
    Kind,
    SelfReported,
    Undated,
)
from cleanroom.attestation.platforms.azure_uvm.endorsement import (
    Endorsement,
    is_endorsement,
    verify_endorsement,
)
from cleanroom.attestation.platforms.azure_uvm.root import PLATFORM, ROOT
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsementVerifier:
    """Verify endorsements for strangers.

    Attributes:
        root: Pin of the root.
    """

    root: Digest

    platform: ClassVar[str] = PLATFORM
    # A document protects nothing.
    confidential: ClassVar[bool] = False
    # Nothing that a guest fills in.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({})
    nonce_place: ClassVar[str] = ""
    facts: ClassVar[tuple[type[Facts], ...]] = ()

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine endorsement says; see :func:`verify_endorsement`.

        Raises:
            MalformedError: Not an endorsement, or collateral beside it.
            IntegrityError: Another root, or a signature that does not match.
            EvidenceRefusedError: Out of its time, or about another product.
        """
        if item.collateral:
            raise MalformedError(
                f"{PLATFORM} collateral: found some, agreed none; the root is pinned",
                code="azure.uvm",
            )
        return _claims_of(verify_endorsement(item.report, root=self.root, at=at))


def recognises(data: bytes) -> bool:
    """Tell whether bytes begin like an endorsement, raw or as text; decides nothing."""
    return is_endorsement(decoded_text(data))


def endorsement_item(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of an endorsement, raw or as text.

    Raises:
        MalformedError: Files beside it.
    """
    if files:
        raise MalformedError(
            f"{PLATFORM} collateral: found some, agreed none; the root is pinned", code="azure.uvm"
        )
    return EvidenceItem(platform=PLATFORM, report=decoded_text(report), collateral={})


def nothing_to_fetch(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: an endorsement brings its certificates."""
    del item
    return ()


def _claims_of(found: Endorsement) -> Claims:
    fact = CollateralFact(
        name="endorsement",
        digest=found.digest,
        issued_at=max(each.not_valid_before_utc for each in found.chain),
        expires_at=min(each.not_valid_after_utc for each in found.chain),
    )
    measurement = found.measurement.hex()
    return Claims(
        platform=PLATFORM,
        confidential=False,
        runner=SelfReported(),
        carried=(),
        debug=False,
        issued_at=Undated(),
        facts=(),
        collateral=(fact,),
        checks=(
            Check(name="chain", found="to Microsoft's pinned supply chain root"),
            Check(name="signature", found=f"for {found.feed}"),
            Check(name="endorsed", found=f"{measurement}, version {found.guest_svn}"),
        ),
        details={
            "feed": found.feed,
            "launch": measurement,
            "guest_svn": str(found.guest_svn),
        },
    )


FOREIGN: tuple[Kind, ...] = (
    Kind(
        verifier=EndorsementVerifier(root=ROOT),
        about=About(
            title="endorsement of Azure's utility VM for confidential containers (COSE)",
            proves=("Microsoft built what has this launch measurement, at this version.",),
            does_not_prove=(
                "That any machine runs it: give it as --collateral of an SEV-SNP report.",
                "Which containers run: HOST_DATA of that report digests their policy.",
            ),
            example="base64 -d reference-info-base64 > reference-info.cose",
        ),
        recognises=recognises,
        intake=endorsement_item,
        collateral_requests=nothing_to_fetch,
    ),
)
