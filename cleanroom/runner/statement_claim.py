# SPDX-License-Identifier: Apache-2.0
"""What the signed documents let a statement do; the check of its plan knows nothing else.

Columns come from the query document that everybody approved, and not from what admission or
the generator say that they use.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.admission.typed.sql_relations import released_schema, released_table
from cleanroom.admission.typed.tree import Stage
from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.policy_terms import Column, Policy, Public, Role
from cleanroom.disclosure.statistics_sql import salt_parameter
from cleanroom.kernel.digest import Digest


def claim_of(
    approved: ApprovedRun, *, keys: int, prefix: str, released: Mapping[int, Stage]
) -> StatementClaim:
    """Describe what a statement of an approved run may read and must count."""
    return claim_for(
        approved.agreement, approved.query.datasets, keys=keys, prefix=prefix, released=released
    )


def claim_for(
    agreement: Agreement,
    read: Mapping[str, tuple[str, ...]],
    *,
    keys: int,
    prefix: str,
    released: Mapping[int, Stage],
) -> StatementClaim:
    """Describe what a statement may read of an agreement's datasets: these columns by lineage."""
    datasets = {
        lineage: DatasetClaim(
            policy=agreement.policies[lineage],
            types={
                name: kind for name, kind in agreement.datasets[lineage].columns if name in columns
            },
        )
        for lineage, columns in read.items()
    }
    return StatementClaim(
        datasets={**datasets, **released_claims(released, prefix=prefix)},
        links=frozenset(link.pair for link in agreement.contract.links),
        keys=keys,
        salt=salt_parameter(prefix, 0).removesuffix("0"),
    )


def released_claims(released: Mapping[int, Stage], *, prefix: str) -> dict[str, DatasetClaim]:
    """Describe released tables as what they are by now: public."""
    claims = {}
    for number, stage in released.items():
        types = {part.name: part.type for part in stage.parts}
        lineage = f"{released_schema(prefix)}.{released_table(number)}"
        policy = Policy(
            owner=released_schema(prefix),
            dataset=lineage,
            kinds=frozenset(),
            receivers=frozenset(),
            unit=Public(),
            columns={name: Column(name=name, role=Role.PUBLIC) for name in types},
            joins=frozenset(),
            raw=b"",
            digest=Digest.of(b""),
        )
        claims[lineage] = DatasetClaim(policy=policy, types=types)
    return claims
