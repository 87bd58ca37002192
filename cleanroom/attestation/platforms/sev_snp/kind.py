# SPDX-License-Identifier: Apache-2.0
"""The ``snp`` kind for the command line: a stranger's files, and plain words."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.sev_snp.claims import PLATFORM
from cleanroom.attestation.platforms.sev_snp.intake import (
    recognises,
    requests_of,
    sort_collateral,
    split_endorsements,
    split_extended,
)
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS
from cleanroom.attestation.platforms.sev_snp.verify import VERIFIER

ABOUT = About(
    title="AMD SEV-SNP attestation report",
    proves=(
        "A genuine EPYC processor runs a virtual machine whose memory its host cannot read.",
        "Which image that machine was launched from (measurement), or who signed the image.",
        "With an endorsement of Azure's utility VM: that Microsoft built that image.",
        "Which firmware the processor runs, and that the guest asked for these 64 bytes.",
    ),
    does_not_prove=(
        "What the guest loaded after launch: only a measured boot or a verity root says that.",
        "That HOST_DATA is the guest's word: the host chose it.",
        "That an old or leaked firmware version is safe: a contract must name the least version.",
        "When it was made: it is as fresh as the nonce inside.",
    ),
    example="snpguest report report.bin request.bin --random",
)


def intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a report, raw or as text, and of certificates in any order.

    Raises:
        MalformedError: A file that is neither certificate, chain, list, table nor an
            endorsement, or two endorsements.
    """
    plain, table = split_extended(report)
    endorsements, others = split_endorsements(files)
    return EvidenceItem(
        platform=PLATFORM,
        report=plain,
        collateral=sort_collateral((*table, *others), pins=AMD_PINS) | endorsements,
    )


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=VERIFIER,
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=requests_of,
    ),
)
