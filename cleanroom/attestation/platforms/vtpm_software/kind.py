# SPDX-License-Identifier: Apache-2.0
"""The software TPM for the command line: a stranger's files, and plain words."""

from __future__ import annotations

import functools

from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.tpm.intake import intake
from cleanroom.attestation.platforms.tpm.kind import collateral_requests
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from cleanroom.attestation.platforms.vtpm_software.root import PLATFORM

ABOUT = About(
    title="TPM 2.0 quote of a software TPM that the runner started itself",
    proves=("Nothing: whoever runs the machine holds the key of this TPM.",),
    does_not_prove=(
        "That any hardware was involved.",
        "That the runner is the one it names: it measured itself.",
        "That anybody's memory was protected from anybody.",
    ),
    example="cleanroom demo --platform vtpm-software",
)


def recognises(data: bytes) -> bool:
    """Recognise nothing: such a report looks like any TPM's, and is that unless said otherwise."""
    del data
    return False


KINDS: tuple[Kind, ...] = (
    Kind(
        # No roots: a certificate would only lend weight to a key that anybody has.
        verifier=TpmVerifier(name=PLATFORM, roots=()),
        about=ABOUT,
        recognises=recognises,
        intake=functools.partial(intake, platform=PLATFORM),
        collateral_requests=collateral_requests,
    ),
)
