# SPDX-License-Identifier: Apache-2.0
"""The simulated kind for the command line: a stranger's file, and plain words."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.simulated.parse import MAGIC
from cleanroom.attestation.platforms.simulated.root import PLATFORM, ROOT_PIN, published_root
from cleanroom.attestation.platforms.simulated.verify import ROOT_ITEM, SimulatedVerifier
from cleanroom.errors import MalformedError

ABOUT = About(
    title="simulated report, made by the runner itself",
    proves=("Nothing: the key that signs it is published, so anybody can make one.",),
    does_not_prove=(
        "That any hardware was involved.",
        "That the runner is the one it names: it measured itself.",
        "That anybody's memory was protected from anybody.",
    ),
    example="cleanroom demo",
)


def recognises(data: bytes) -> bool:
    """Tell whether bytes begin like a simulated report."""
    return data.startswith(MAGIC)


def intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a report, and of the root document if it was given.

    Raises:
        MalformedError: More than one further file.
    """
    if len(files) > 1:
        raise MalformedError(
            "simulated evidence: found more than one collateral file, agreed at most the root",
            code="simulated.collateral",
        )
    root = files[0] if files else published_root()
    return EvidenceItem(platform=PLATFORM, report=report, collateral={ROOT_ITEM: root})


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: the root travels with the evidence."""
    del item
    return ()


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=SimulatedVerifier(root=ROOT_PIN),
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=collateral_requests,
    ),
)
