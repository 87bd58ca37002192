# SPDX-License-Identifier: Apache-2.0
"""Did anybody entitled take back what a run relies on? Taking back always wins.

A party takes back its consent to the contract or to a query, its own datasets,
approvals and keys, and nothing else. What it signed counts from ``since`` on,
whatever later document says the opposite.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approval import Approval
from cleanroom.contract.query import Query
from cleanroom.contract.quorum import required_approvers
from cleanroom.contract.revocation import Revocation, RevocationKind
from cleanroom.contract.types import split_lineage
from cleanroom.errors import RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliance:
    """Everything that a run relies on and that somebody could have taken back.

    Attributes:
        agreement: The contract and its documents.
        query: The query to be run.
        approvals: The approvals that count.
        signed_with: By party, the keys behind all its signatures.
    """

    agreement: Agreement
    query: Query
    approvals: tuple[Approval, ...]
    signed_with: Mapping[str, frozenset[bytes]]


def require_nothing_withdrawn(
    revocations: Iterable[Revocation], *, reliance: Reliance, at: dt.datetime
) -> None:
    """Refuse a run that relies on something its party took back.

    Raises:
        RefusedError: A revocation by an entitled party is in force.
    """
    for revocation in revocations:
        if revocation.since <= at and _withdraws(revocation, reliance):
            raise RefusedError(
                f"{revocation.kind.value} {_name(revocation)}: withdrawn by {revocation.party}, "
                "agreed one in force",
                code=f"revoked.{revocation.kind.value}",
                hint=f"its reason: {revocation.reason}",
            )


def _withdraws(revocation: Revocation, reliance: Reliance) -> bool:
    subjects = {
        RevocationKind.CONTRACT: _contract,
        RevocationKind.DATASET: _datasets,
        RevocationKind.QUERY: _query,
        RevocationKind.KEY: _keys,
        RevocationKind.APPROVAL: _approvals,
    }[revocation.kind]
    return revocation.subject in subjects(reliance, revocation.party)


def _contract(reliance: Reliance, party: str) -> set[Digest | str]:
    # Every party signed, so every party may end its consent.
    del party
    return {reliance.agreement.contract.digest}


def _datasets(reliance: Reliance, party: str) -> set[Digest | str]:
    own = [name for name in reliance.query.datasets if split_lineage(name)[0] == party]
    return {*own, *(reliance.agreement.datasets[name].digest for name in own)}


def _query(reliance: Reliance, party: str) -> set[Digest | str]:
    query = reliance.query
    entitled = required_approvers(reliance.agreement.contract, query) | {query.author}
    return {query.digest} if party in entitled else set()


def _keys(reliance: Reliance, party: str) -> set[Digest | str]:
    used = {Digest.of(blob) for blob in reliance.signed_with.get(party, frozenset())}
    return {*used, reliance.agreement.parties[party].digest}


def _approvals(reliance: Reliance, party: str) -> set[Digest | str]:
    return {item.digest for item in reliance.approvals if item.approver == party}


def _name(revocation: Revocation) -> str:
    return str(revocation.subject)
