# SPDX-License-Identifier: Apache-2.0
"""What is left: runs of the contract, releases of each lineage.

Counting happens on what was recorded, never on a counter that somebody could
set back. A release counts when keys go out, whatever becomes of the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.contract import Contract
from cleanroom.contract.policy import Policy
from cleanroom.contract.statements import ALL_RECEIVERS, ReceiverReleases, Uses
from cleanroom.errors import KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.coverage import GrantedDataset
from cleanroom.keybroker.standing import Standing


def count_uses(contract: Contract, *, line: Collection[Digest], standing: Standing) -> Uses:
    """Count one more run of a contract and of all contracts that it descends from.

    Args:
        contract: Whose run.
        line: The contract and all that it descends from.
        standing: What was released.

    Raises:
        KeyRefusedError: No run is left.
    """
    used, limit = standing.uses(line) + 1, contract.max_runs
    if standing.is_restored:
        # An amendment goes on with what was left of the contract it replaces.
        limit = min(limit, max(standing.most(str(digest)) for digest in line))
    if used > limit:
        raise KeyRefusedError(
            f"uses: all {limit} runs of the contract are spent",
            code="broker.uses-exhausted",
            hint="the parties agree to more runs by signing an amendment",
        )
    return Uses(used=used, limit=limit)


def require_allowed(standing: Standing) -> None:
    """Refuse everything in a restored memory whose owner has not said what is left (T-28).

    Raises:
        KeyRefusedError: It was restored, and no allowance was taken since.
    """
    if standing.is_restored and not standing.is_allowed:
        raise KeyRefusedError(
            "broker: restored from a copy, and its owner has not signed what is left",
            code="broker.no-allowance",
            hint="its owner runs: cleanroom broker allow",
        )


def count_releases(
    run: ApprovedRun, *, datasets: Iterable[GrantedDataset], standing: Standing
) -> tuple[ReceiverReleases, ...]:
    """Count one more release of the owner's lineages, for each receiver and in all.

    Raises:
        KeyRefusedError: A lineage has no release left.
    """
    return tuple(
        _count(lineage, receiver, limit=limit, standing=standing)
        for lineage in (granted.dataset.lineage for granted in datasets)
        for receiver, limit in _limits(run, run.agreement.policies[lineage])
    )


def _limits(run: ApprovedRun, policy: Policy) -> list[tuple[str, int]]:
    each = [(receiver, policy.releases_per_receiver) for receiver in sorted(run.request.receivers)]
    return [*each, (ALL_RECEIVERS, policy.most_releases)]


def _count(lineage: str, receiver: str, *, limit: int, standing: Standing) -> ReceiverReleases:
    used = standing.releases(lineage, receiver) + 1
    if standing.is_restored and receiver == ALL_RECEIVERS:
        limit = min(limit, standing.most(lineage))
    if used > limit:
        whom = "all receivers" if receiver == ALL_RECEIVERS else receiver
        raise KeyRefusedError(
            f"{lineage}: all {limit} releases to {whom} are spent",
            code="broker.releases-exhausted",
            hint="only the dataset's owner can allow more, by signing a new policy",
        )
    return ReceiverReleases(lineage=lineage, receiver=receiver, used=used, limit=limit)
