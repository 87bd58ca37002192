# SPDX-License-Identifier: Apache-2.0
"""What a genuine quote claims: registers, the key, and what was about to run.

A TPM keeps no memory from its host. It measures an image, and that image's own
code names the runner, so the runner is self-reported even where the quote is real.
"""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import NoRuntimeLog, QuoteFacts, RuntimeLog
from cleanroom.attestation.platform import Carried, Check, Claims, SelfReported, Undated
from cleanroom.attestation.platforms.tpm.endorsement import spki_digest
from cleanroom.attestation.platforms.tpm.public import QuoteKey
from cleanroom.attestation.platforms.tpm.quote import QuotedRegisters

PLACE = "extra_data"


def claims_of(
    registers: QuotedRegisters,
    *,
    platform: str,
    key: QuoteKey,
    key_trust: str,
    runtime: RuntimeLog | NoRuntimeLog,
    checks: Sequence[Check],
) -> Claims:
    """Turn a quote whose every check held into claims."""
    quote = registers.quote
    facts = QuoteFacts(
        bank=registers.selection.bank.name.lower(),
        pcrs=registers.values,
        key=spki_digest(key.key),
        key_trust=key_trust,
        clock=quote.clock,
        resets=quote.reset_count,
        restarts=quote.restart_count,
        firmware=quote.firmware_version,
        runtime=runtime,
    )
    return Claims(
        platform=platform,
        confidential=False,
        runner=SelfReported(),
        carried=(Carried(place=PLACE, channel=Channel.TPM, found=quote.extra_data),),
        debug=False,
        issued_at=Undated(),
        facts=(facts,),
        collateral=(),
        checks=tuple(checks),
        details={"clock": "safe" if quote.safe else "unsafe"},
    )
