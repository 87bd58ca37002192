# SPDX-License-Identifier: Apache-2.0
"""The TPM kind for the command line: a stranger's files, and plain words."""

from __future__ import annotations

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.tpm.intake import intake, recognises
from cleanroom.attestation.platforms.tpm.root import PLATFORM, ROOT_PINS
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier

ABOUT = About(
    title="TPM 2.0 quote over platform configuration registers",
    proves=(
        "That whoever holds the attestation key signed exactly these registers for this nonce.",
        "With certificates, or a key that the contract names: that a TPM holds this key.",
        "As far as the logs replay: what firmware, kernel and runner measured, in that order.",
    ),
    does_not_prove=(
        "That memory is hidden from whoever runs the machine: a TPM encrypts nothing.",
        "That the key is in a chip, if nobody certified it and no contract names it.",
        "That nothing else ran: software reports to the TPM what it chooses to report.",
    ),
    example="tpm2_quote -c ak.ctx -l sha256:0,4,7,14 -q NONCE -m quote -s signature -o values",
)


def collateral_requests(item: EvidenceItem) -> tuple[CollateralRequest, ...]:
    """Ask for nothing: certificates travel with the evidence."""
    del item
    return ()


KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=TpmVerifier(name=PLATFORM, roots=ROOT_PINS),
        about=ABOUT,
        recognises=recognises,
        intake=intake,
        collateral_requests=collateral_requests,
    ),
)
