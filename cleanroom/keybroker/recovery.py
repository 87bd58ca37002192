# SPDX-License-Identifier: Apache-2.0
"""Take up again what a copy does not know: heads from the counterparties, budget from the owner.

Every owner's broker countersigned every step of every history, and keeps the sealed
entries. A restored broker follows their commits from the last head that it knows. What
was spent meanwhile nobody can prove to it, so the owner signs what is left; what the
owner does not name is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cleanroom.contract.broker_allowance import KIND, BrokerAllowance, parse_allowance
from cleanroom.contract.contract import parse_contract
from cleanroom.contract.state_chain import next_head, owners_of
from cleanroom.contract.statement_shapes import Commit
from cleanroom.contract.statements import ALL_RECEIVERS
from cleanroom.contract.types import split_lineage
from cleanroom.envelope.signed_file import SignedFile, verify_file
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.keybroker.recorder import NewEntry
from cleanroom.keybroker.standing import Standing
from cleanroom.keybroker.state import Transaction
from cleanroom.keybroker.succession import line_of

Fetch = Callable[[Digest], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStep:
    """One step of a lineage's history that a counterparty countersigned.

    Attributes:
        entry: Digest of the sealed entry.
        owners: Whose shares open it.
        head: The head after it.
    """

    entry: Digest
    owners: tuple[str, ...]
    head: Digest


def follow(lineage: str, head: Digest, commits: Iterable[Commit]) -> tuple[KnownStep, ...]:
    """Follow counterparties' commits from a head to the newest one they know.

    A run that not every owner countersigned leaves a step that nobody went on from;
    of two continuations the one that others built on is the history.

    Raises:
        KeyRefusedError: Two continuations, and nobody went on from exactly one of them.
        IntegrityError: A step does not lead where its commit says.
    """
    steps = _steps(lineage, commits)
    found: list[KnownStep] = []
    seen = {head}
    while options := [step for step in steps.get(head, {}).values() if step.head not in seen]:
        step = _one_of(lineage, options, steps)
        next_head(head, step.entry).require(step.head, what=f"{lineage}: recovered head")
        found.append(step)
        head = step.head
        seen.add(head)
    return tuple(found)


def _steps(lineage: str, commits: Iterable[Commit]) -> dict[Digest, dict[Digest, KnownStep]]:
    steps: dict[Digest, dict[Digest, KnownStep]] = {}
    for commit in commits:
        owners = owners_of(step.lineage for step in commit.lineages)
        for step in commit.lineages:
            if step.lineage == lineage and commit.entry is not None:
                known = KnownStep(entry=commit.entry, owners=owners, head=step.next)
                steps.setdefault(step.previous, {})[step.next] = known
    return steps


def _one_of(
    lineage: str, options: list[KnownStep], steps: Mapping[Digest, Mapping[Digest, KnownStep]]
) -> KnownStep:
    if len(options) > 1:
        options = [step for step in options if step.head in steps]
    if len(options) != 1:
        raise KeyRefusedError(
            f"{lineage}: its counterparties know two continuations of its history",
            code="broker.history-forked",
            hint="seal the data as a new dataset, or leave this one out of the allowance",
        )
    return options[0]


def recover(opened: Transaction, lineage: str, steps: Iterable[KnownStep], *, fetch: Fetch) -> None:
    """Take a lineage's history up again, with the sealed entries that counterparties kept.

    Raises:
        IntegrityError: An entry is not the one that was countersigned.
        CleanroomError: No counterparty gives it.
    """
    for step in steps:
        data = fetch(step.entry)
        step.entry.require(Digest.of(data), what=f"{lineage}: recovered entry")
        entry = NewEntry(digest=step.entry, data=data, owners=step.owners)
        opened.recorder.recovered(lineage, head=step.head, entry=entry)


def take_allowance(file: SignedFile, *, owner: PartyDocument, opened: Transaction) -> None:
    """Take what the owner signed as all that is left in this life of the broker (T-28).

    Raises:
        MalformedError: Not an allowance.
        IntegrityError: The signature does not match, or a head is not the recovered one.
        KeyRefusedError: Another party's, for another life, taken before, or not needed.
    """
    standing, allowance = opened.standing, parse_allowance(file.data)
    # 1. The owner's own, for this very life (T-28): an older one would give back.
    if not standing.is_restored:
        raise _refused("the broker was never restored, and counts by itself", "not-restored")
    if (allowance.party, allowance.epoch) != (owner.name, standing.epoch):
        raise _refused("for another broker or another life of it", "other-epoch")
    verify_file(file, kind=KIND, signer=owner, what="allowance.toml")
    # 2. Once: a second time it would give back what was spent since.
    if standing.is_taken(allowance.digest):
        raise _refused("taken before", "taken")
    # 3. On the history that was recovered, and no older one (T-02).
    _require_heads(allowance, owner=owner.name, standing=standing)
    opened.recorder.allowance(allowance.digest, file, epoch=standing.epoch)
    for contract, left in allowance.contracts.items():
        used = standing.uses(line_of(contract, standing=standing))
        opened.recorder.budget(str(contract), most=used + left)
    for lineage, item in allowance.lineages.items():
        used = standing.releases(lineage, ALL_RECEIVERS)
        opened.recorder.budget(lineage, most=used + item.releases_left)


def contract_owners(opened: Transaction) -> frozenset[str]:
    """Return the owners of every contract that the memory knows: whoever countersigned."""
    files = opened.standing.contracts().values()
    return frozenset(owner for file in files for owner in parse_contract(file.data).owners)


def _require_heads(allowance: BrokerAllowance, *, owner: str, standing: Standing) -> None:
    for lineage, item in allowance.lineages.items():
        if split_lineage(lineage)[0] != owner:
            raise _refused(f"{lineage} is another owner's", "other-owner")
        if item.head != standing.head(lineage):
            raise IntegrityError(
                f"allowance: {lineage}: its head is not the one that was recovered",
                code="allowance.head",
                hint="cleanroom broker allow writes the recovered heads itself",
            )


def _refused(found: str, code: str) -> KeyRefusedError:
    return KeyRefusedError(
        f"allowance: {found}", code=f"allowance.{code}", hint="cleanroom broker allow"
    )
