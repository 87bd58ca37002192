# SPDX-License-Identifier: Apache-2.0
"""Which of the owner's datasets a run uses, in which version, with which history.

The room can show an old ``dataset.toml`` that is as genuine as ever (T-02). What
it cannot do is make this broker forget which version it sealed last.
"""

from __future__ import annotations

from collections.abc import Collection

from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.contract import ByOwner, Contract
from cleanroom.contract.dataset import Dataset
from cleanroom.contract.statements import StateEntry
from cleanroom.contract.types import split_lineage
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.standing import DataKeys, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedDataset:
    """One of the owner's datasets, in the version whose key is released.

    Attributes:
        dataset: The dataset document.
        head: Head of its disclosure history.
        entries: That history, oldest first.
    """

    dataset: Dataset
    head: Digest
    entries: tuple[StateEntry, ...]


def cover_datasets(
    run: ApprovedRun, *, owner: str, keys: DataKeys, standing: Standing
) -> tuple[GrantedDataset, ...]:
    """Return the owner's datasets that the query uses, sorted by lineage.

    Raises:
        KeyRefusedError: A version is not the one that counts, has no key any more,
            or has a history that this contract's runners could not open.
        IntegrityError: The dataset names another key than the owner keeps for it.
    """
    mine = sorted(lineage for lineage in run.query.datasets if split_lineage(lineage)[0] == owner)
    return tuple(
        _cover(run.agreement.datasets[lineage], run=run, keys=keys, standing=standing)
        for lineage in mine
    )


def _cover(
    dataset: Dataset, *, run: ApprovedRun, keys: DataKeys, standing: Standing
) -> GrantedDataset:
    contract = run.agreement.contract
    _require_version(dataset, contract=contract, versions=keys.versions(dataset.lineage))
    if keys.key_id(dataset.lineage, dataset.version) != dataset.key_id:
        raise IntegrityError(
            f"{dataset.lineage}: names another key than its owner keeps for this version",
            code="broker.key-id",
            hint="seal the dataset again",
        )
    entries = standing.history(dataset.lineage)
    for entry in entries:
        _require_openable(entry, lineage=dataset.lineage, owners=contract.owners)
    return GrantedDataset(dataset=dataset, head=standing.head(dataset.lineage), entries=entries)


def _require_version(dataset: Dataset, *, contract: Contract, versions: Collection[int]) -> None:
    if dataset.version not in versions:
        raise KeyRefusedError(
            f"{dataset.lineage}: its owner keeps no key for version {dataset.version}",
            code="broker.no-data-key",
            hint="the version was deleted, or sealed on another machine",
        )
    agreed = next(item for item in contract.datasets if item.lineage == dataset.lineage)
    # A pinned version was compared by digest when the agreement was verified.
    if isinstance(agreed.version, ByOwner) and dataset.version != max(versions):
        raise KeyRefusedError(
            f"{dataset.lineage}: found version {dataset.version}, the newest is {max(versions)}",
            code="broker.dataset-version",
            hint="publish the newest dataset.toml into the room",
        )


def _require_openable(entry: StateEntry, *, lineage: str, owners: Collection[str]) -> None:
    # A runner that cannot read part of the history must not answer; saying so here
    # costs the parties no use.
    if not set(entry.owners) <= set(owners):
        raise KeyRefusedError(
            f"{lineage}: its history holds releases together with owners outside this contract",
            code="broker.state-owners",
            hint="include those owners in the contract, or seal the data as a new lineage",
        )
