# SPDX-License-Identifier: Apache-2.0
"""What the signed documents let a statement do; the check of its plan knows nothing else.

Columns come from the query document that everybody approved, and not from what admission or
the generator say that they use.
"""

from __future__ import annotations

from cleanroom.bound_plan.claim import DatasetClaim, StatementClaim
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.disclosure.statistics_sql import salt_parameter


def claim_of(approved: ApprovedRun, *, keys: int, prefix: str) -> StatementClaim:
    """Describe what a statement of an approved run may read and must count."""
    agreement = approved.agreement
    return StatementClaim(
        datasets={
            lineage: DatasetClaim(
                policy=agreement.policies[lineage],
                types={
                    name: kind
                    for name, kind in agreement.datasets[lineage].columns
                    if name in columns
                },
            )
            for lineage, columns in approved.query.datasets.items()
        },
        links=frozenset(link.pair for link in agreement.contract.links),
        keys=keys,
        salt=salt_parameter(prefix, 0).removesuffix("0"),
    )
