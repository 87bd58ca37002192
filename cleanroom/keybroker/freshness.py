# SPDX-License-Identifier: Apache-2.0
"""Is the question fresh? Nonces are this broker's own, for one run, and serve once.

Evidence that was recorded yesterday is as genuine as it was; what it cannot
contain is a number that this broker drew a minute ago (T-05).
"""

from __future__ import annotations

import datetime as dt

from cleanroom.attestation.runtime_data import RuntimeData
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.errors import KeyRefusedError
from cleanroom.keybroker.standing import Standing

NONCE_LIFETIME = dt.timedelta(seconds=120)
NONCE_BYTES = 32
_HINT = "let the runner ask for new challenges and attest again"


def require_fresh_nonce(
    runtime: RuntimeData, *, owner: str, run: ApprovedRun, standing: Standing, at: dt.datetime
) -> bytes:
    """Return the owner's nonce of a runtime data, unused and in time.

    Raises:
        KeyRefusedError: Used by another release, not this broker's, given for another
            run or contract, or too old.
    """
    nonce = runtime.nonces[owner]
    # Before anything else: a used nonce is the mark of a replay, not of a slow runner.
    if standing.is_used(nonce):
        raise KeyRefusedError(
            "nonce: already used by another release", code="broker.nonce-used", hint=_HINT
        )
    issued = standing.issued(nonce)
    if issued is None:
        raise KeyRefusedError(
            f"nonce: not one that the broker of {owner} gave out",
            code="broker.nonce-foreign",
            hint=_HINT,
        )
    if (issued.run, issued.contract) != (run.request.run, run.agreement.contract.digest):
        raise KeyRefusedError(
            "nonce: given for another run or contract", code="broker.nonce-other-run", hint=_HINT
        )
    if at >= issued.expires:
        raise KeyRefusedError("nonce: expired", code="broker.nonce-expired", hint=_HINT)
    return nonce
