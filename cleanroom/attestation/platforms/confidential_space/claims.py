# SPDX-License-Identifier: Apache-2.0
"""What a genuine Confidential Space token claims, in the common form."""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.platform import (
    Carried,
    Check,
    Claims,
    CollateralFact,
    SelfReported,
)
from cleanroom.attestation.platforms.confidential_space.parse import WorkloadClaims
from cleanroom.attestation.platforms.confidential_space.root import PLATFORM

NONCE = "eat_nonce"


def claims_of(
    token: WorkloadClaims,
    *,
    issued_at: dt.datetime,
    signer: str,
    collateral: tuple[CollateralFact, ...],
) -> Claims:
    """Turn the claims of a verified token into ours.

    Several nonces are joined by line breaks: a token that was made for somebody else
    too carries no single run's binding.
    """
    facts = token.facts
    return Claims(
        platform=PLATFORM,
        confidential=True,
        runner=SelfReported(),
        carried=(
            Carried(
                place=NONCE, channel=Channel.TOKEN, found="\n".join(token.nonces).encode("utf-8")
            ),
        ),
        debug=token.debug,
        issued_at=issued_at,
        facts=(facts,),
        collateral=collateral,
        checks=(
            Check(name="signature", found=signer),
            Check(name="hardware", found=facts.hardware[:64]),
            Check(name="debug", found="on" if token.debug else "off since boot"),
            Check(name="image", found=str(facts.image)),
        ),
        details={"audience": facts.audience[:200], "project": facts.project[:100]},
    )
