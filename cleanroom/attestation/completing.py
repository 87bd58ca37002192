# SPDX-License-Identifier: Apache-2.0
"""Put beside evidence what a verifier will need, from answers that an operator has.

An answer may ask for more: a manifest brings certificates, and whether those were
withdrawn is another question. So this asks in rounds until nothing new is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cleanroom.attestation.collateral import CollateralRequest
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platform import Kind

MAX_ROUNDS = 4

# Gives the answers that are there, in any order.
Answers = Callable[[Sequence[CollateralRequest]], Sequence[bytes]]


def complete(kind: Kind, item: EvidenceItem, answers: Answers) -> EvidenceItem:
    """Return evidence with everything beside it that the answers hold.

    Args:
        kind: Which kind the evidence is of.
        item: The evidence.
        answers: Is given each request once.

    Raises:
        MalformedError: The evidence, or an answer, is not of its format.
    """
    if kind.collateral_requests(item):
        # A device hands its certificates over as it likes, and perhaps without an issuer.
        item = kind.intake(item.report, tuple(item.collateral.values()))
    asked: set[tuple[str, bytes]] = set()
    for _ in range(MAX_ROUNDS):
        wanted = [
            request
            for request in kind.collateral_requests(item)
            if (request.url, request.body) not in asked
        ]
        found = answers(wanted) if wanted else ()
        if not found:
            break
        asked |= {(request.url, request.body) for request in wanted}
        item = kind.intake(item.report, [*item.collateral.values(), *found])
    return item
