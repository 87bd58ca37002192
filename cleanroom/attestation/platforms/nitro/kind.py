# SPDX-License-Identifier: Apache-2.0
"""The ``nitro`` kind for the command line: a stranger's file, and plain words."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.certificates import is_one_of
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.nitro.root import PLATFORM, ROOT_PIN
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError

# COSE_Sign1 of four members whose first is {1: -35}.
_BEGINNING = bytes.fromhex("8444a1013822")

ABOUT = About(
    title="AWS Nitro Enclaves attestation document",
    proves=(
        "A Nitro hypervisor runs an enclave that its own instance cannot look into.",
        "Which image it was started from (PCR0 to PCR2), and who signed that (PCR8).",
        "That the enclave put this user data, nonce and public key in, at about this time.",
    ),
    does_not_prove=(
        "Protection from AWS: the hypervisor is theirs, and memory is not encrypted against it.",
        "That it was made for whoever shows it: only the nonce or the user data say that.",
        "Anything at all in debug mode, whose image registers are zero.",
    ),
    example="nsm-cli attestation --user-data data.bin > document.cose",
)


def recognises(data: bytes) -> bool:
    """Tell whether bytes begin like a document, raw or as text; decides nothing."""
    return decoded_text(data).startswith(_BEGINNING)


def intake(report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a document, raw or as text; it brings its certificates itself.

    Raises:
        MalformedError: A further file beside the pinned root.
    """
    if not all(is_one_of(file, frozenset({ROOT_PIN})) for file in files):
        raise MalformedError(
            "nitro collateral: found some, agreed none; the root is pinned",
            code="nitro.collateral",
        )
    raw = report if report.startswith(_BEGINNING) else decoded_text(report)
    return EvidenceItem(platform=PLATFORM, report=raw, collateral={})


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: everything is in the document."""
    del item
    return ()


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=NitroVerifier(root=ROOT_PIN),
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=collateral_requests,
    ),
)
