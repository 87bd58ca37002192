# SPDX-License-Identifier: Apache-2.0
"""Who must approve a query, and did they? Rejections win, and the latest word counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cleanroom.contract.approval import Approval, Decision
from cleanroom.contract.contract import Contract, Quorum
from cleanroom.contract.query import Query
from cleanroom.contract.types import split_lineage
from cleanroom.errors import RefusedError


def required_approvers(contract: Contract, query: Query) -> frozenset[str]:
    """Name everyone who must approve a query under a contract."""
    if contract.quorum is Quorum.ALL_PARTIES:
        return contract.party_names
    if contract.quorum is Quorum.ALL_OWNERS:
        return frozenset(contract.owners)
    return frozenset(split_lineage(lineage)[0] for lineage in query.datasets)


def require_quorum(
    approvals: Iterable[Approval], *, contract: Contract, query: Query, at: dt.datetime
) -> tuple[Approval, ...]:
    """Return the approvals that count, once they are enough and nobody objects.

    Args:
        approvals: Genuine approvals and rejections, in any order, stale ones included.
        contract: The contract in force.
        query: The query to be run.
        at: The time of the decision.

    Raises:
        RefusedError: Somebody who must approve rejected, has not approved, or
            approved something else or only until an earlier time.
    """
    everything = tuple(approvals)
    counted = []
    for name in sorted(required_approvers(contract, query)):
        own = [approval for approval in everything if approval.approver == name]
        named = [approval for approval in own if _names(approval, contract, query)]
        latest = max(named, key=_order, default=None)
        if latest is not None and latest.decision is Decision.REJECT:
            raise _rejected(latest, query)
        if latest is not None and at < latest.expires:
            counted.append(latest)
        elif query.digest not in contract.queries:
            raise _not_approved(name, query, found=_found(own, latest))
    return tuple(counted)


def _names(approval: Approval, contract: Contract, query: Query) -> bool:
    # An approval lapses with its contract, and never covers a changed query (T-09, T-20).
    return approval.contract == contract.digest and approval.query == query.digest


def _order(approval: Approval) -> tuple[int, bool]:
    # Two decisions with one number: the one that stops the run wins (T-06).
    return approval.sequence, approval.decision is Decision.REJECT


def _rejected(approval: Approval, query: Query) -> RefusedError:
    return RefusedError(
        f"query {query.name}: rejected by {approval.approver}, agreed its approval",
        code="approval.rejected",
        hint=f"its reason: {approval.reason}",
    )


def _found(own: list[Approval], latest: Approval | None) -> str:
    if latest is not None:
        return "one that has expired"
    return "one for another contract or query" if own else "none"


def _not_approved(name: str, query: Query, *, found: str) -> RefusedError:
    return RefusedError(
        f"query {query.name}: approval of {name}: found {found}, agreed one in force",
        code="approval.missing",
        hint=f"ask {name} to run cleanroom query approve {query.name}",
    )
