# SPDX-License-Identifier: Apache-2.0
"""Key sets of token services that the parties vouch for in the contract itself.

A key set has no maker that a signature shows: whoever fetched it from the service's own
address vouches for it. Signed into the contract, that is everybody's word, and the same for
brokers, runners and whoever verifies a receipt years later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from cleanroom.contract.attestation_terms import (
    TOKEN_PLATFORMS,
    AttestationProfile,
    MaaClause,
    TrustedKeySet,
    WorkloadClause,
)
from cleanroom.contract.attestation_wire import AttestationWire
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest

_NEVER = dt.timedelta(0)


def vouched_key_sets(wire: AttestationWire) -> tuple[TrustedKeySet, ...]:
    """Read ``[[attestation.key_sets]]``, in the order of issuers and digests."""
    age = wire.max_collateral_age_seconds
    found = [
        TrustedKeySet(
            issuer=item.issuer,
            digest=Digest.parse(item.sha256),
            fetched_at=item.fetched_at,
            max_age=_NEVER if age is None else dt.timedelta(seconds=age),
        )
        for item in wire.key_sets or ()
    ]
    return tuple(sorted(found, key=lambda item: (item.issuer, str(item.digest))))


def require_key_sets(profile: AttestationProfile, problem: Callable[..., MalformedError]) -> None:
    """Refuse key sets that no platform uses, that are there twice, or that nobody vouches for.

    Raises:
        MalformedError: By the name of the clause.
    """
    if profile.key_sets and not profile.platforms & TOKEN_PLATFORMS:
        raise problem(
            "key_sets",
            found="a key set",
            agreed="none: no platform named shows tokens",
            code="unknown-key",
        )
    digests = [item.digest for item in profile.key_sets]
    if len(set(digests)) != len(digests):
        raise problem("key_sets", found="one twice", agreed="each once", code="duplicate")
    issuers = {
        issuer
        for clause in profile.clauses
        if isinstance(clause, MaaClause | WorkloadClause)
        for issuer in clause.issuers
    }
    for item in profile.key_sets:
        if item.issuer not in issuers:
            raise problem(
                "key_sets",
                found=f"one of {item.issuer!r}",
                agreed="one of the issuers that a clause names",
                code="key-set",
            )
