# SPDX-License-Identifier: Apache-2.0
"""What a genuine token of Azure's attestation service claims, in the common form."""

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
from cleanroom.attestation.platforms.maa.parse import MaaClaims
from cleanroom.attestation.platforms.maa.root import PLATFORM

NONCE = "nonce"


def claims_of(token: MaaClaims, *, issued_at: dt.datetime, key_set: CollateralFact) -> Claims:
    """Turn the claims of a verified token into ours."""
    facts = token.facts
    return Claims(
        platform=PLATFORM,
        confidential=True,
        runner=SelfReported(),
        carried=(Carried(place=NONCE, channel=Channel.TOKEN, found=token.nonce),),
        debug=token.debug,
        issued_at=issued_at,
        facts=(facts,),
        collateral=(key_set,),
        checks=(
            Check(name="signature", found=f"by a key vouched for, of {facts.issuer}"),
            Check(name="machine", found=f"{facts.tee}, {facts.compliance or 'no compliance said'}"),
            Check(name="debug", found="on" if token.debug else "off"),
        ),
        details={"issuer": facts.issuer, "policy": token.policy[:100]},
    )
