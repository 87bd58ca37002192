# SPDX-License-Identifier: Apache-2.0
"""The ``nitro`` and ``nitro-tpm`` kinds for the command line: files, and plain words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cleanroom.attestation.certificates import is_one_of
from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.nitro.root import INSTANCE_PLATFORM, PLATFORM, ROOT_PIN
from cleanroom.attestation.platforms.nitro.verify import NitroTpmVerifier, NitroVerifier
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.errors import MalformedError

# COSE_Sign1 of four members whose first is {1: -35}.
_BEGINNING = bytes.fromhex("8444a1013822")
# A member's name in the payload, behind the CBOR head of a text of thirteen bytes.
_INSTANCE_MARK = b"\x6dnitrotpm_pcrs"

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


INSTANCE_ABOUT = About(
    title="AWS NitroTPM attestation document of a virtual machine",
    proves=(
        "A Nitro hypervisor runs a virtual machine whose NitroTPM holds these registers.",
        "How it booted (PCR4, PCR7, PCR11, PCR12), to a reader who knows the image.",
        "That the machine put this user data, nonce and public key in, at about this time.",
    ),
    does_not_prove=(
        "That nobody can log in: only the image does, which its registers identify.",
        "Protection from AWS: the hypervisor is theirs.",
        "That a runner of ours is inside: no contract takes it for evidence.",
    ),
    example="nitro-tpm-attest --nonce nonce.bin > document.cose",
)


def recognises(data: bytes) -> bool:
    """Tell whether bytes begin like an enclave's document; decides nothing."""
    raw = decoded_text(data)
    return raw.startswith(_BEGINNING) and _INSTANCE_MARK not in raw


def recognises_instance(data: bytes) -> bool:
    """Tell whether bytes begin like a document, and name registers of a NitroTPM."""
    raw = decoded_text(data)
    return raw.startswith(_BEGINNING) and _INSTANCE_MARK in raw


def intake(platform: str, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
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
    return EvidenceItem(platform=platform, report=raw, collateral={})


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: everything is in the document."""
    del item
    return ()


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=NitroVerifier(root=ROOT_PIN),
        about=ABOUT,
        recognises=recognises,
        intake=partial(intake, PLATFORM),
        collateral_requests=collateral_requests,
    ),
)

FOREIGN: tuple[Kind, ...] = (
    Kind(
        verifier=NitroTpmVerifier(root=ROOT_PIN),
        about=INSTANCE_ABOUT,
        recognises=recognises_instance,
        intake=partial(intake, INSTANCE_PLATFORM),
        collateral_requests=collateral_requests,
    ),
)
