# SPDX-License-Identifier: Apache-2.0
"""The terms of a contract: who may compute what on whose data, until when, and where.

Every party signs the same bytes. Nothing has a default that weakens anything:
an absent clause is refused, an empty list accepts nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from enum import StrEnum

from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.resources import AS_QUERIED, Resources
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


class Quorum(StrEnum):
    """Who must approve a query that the contract does not list itself."""

    OWNERS_TOUCHED = "owners-touched"
    ALL_OWNERS = "all-owners"
    ALL_PARTIES = "all-parties"


class SandboxLevel(StrEnum):
    """How strongly analysis code is confined, weakest first."""

    PROCESS = "process"
    SELF = "self"
    FULL = "full"

    def satisfies(self, least: SandboxLevel) -> bool:
        """Tell whether this level is at least as strong as another."""
        levels = list(SandboxLevel)
        return levels.index(self) >= levels.index(least)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByOwner:
    """New versions of a dataset are signed by its owner alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractParty:
    """One party, bound to the exact party document it had when it signed."""

    name: str
    document: Digest
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDataset:
    """One dataset lineage and what was agreed about it.

    Attributes:
        lineage: ``owner.table``.
        owner: The party that seals it.
        schema: Digest of its columns and types in file order.
        policy: Digest of its output policy.
        version: ``ByOwner()``, or the digest of the one ``dataset.toml`` that counts.
    """

    lineage: str
    owner: str
    schema: Digest
    policy: Digest
    version: Digest | ByOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two key columns that name the same units although their namespaces differ.

    Attributes:
        left: ``owner.table.column``.
        right: ``owner.table.column`` of another dataset.
    """

    left: str
    right: str

    @property
    def pair(self) -> frozenset[str]:
        """Both columns without an order."""
        return frozenset({self.left, self.right})


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a run costs: recorded in every receipt, never charged by us."""

    currency: str
    amount_per_run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """Everything a contract says, before it has bytes.

    Attributes:
        name: Short name of the contract.
        purpose: What it is for, in words.
        purpose_code: The same as a code.
        not_before: First moment at which keys may be released.
        expires: First moment at which they may not any more.
        predecessor: The contract that this one replaces; ``None`` says that it replaces none.
        quorum: Who must approve a query.
        max_runs: Most runs under the contract, dynamic refusals included.
        sandbox: Least level of confinement.
        receivers: Parties that may receive a result.
        submitters: Parties that may sign a run request.
        queries: Queries that are approved by signing the contract.
        parties: Every party, in the order written.
        datasets: Every dataset, in the order written.
        links: Pairs of key columns that name the same units.
        attestation: Which runner may get keys.
        price: What a run costs.
        resources: What any run may spend, whatever its query says.
    """

    name: str
    purpose: str
    purpose_code: str
    not_before: dt.datetime
    expires: dt.datetime
    predecessor: Digest | None
    quorum: Quorum
    max_runs: int
    sandbox: SandboxLevel
    receivers: frozenset[str]
    submitters: frozenset[str]
    queries: frozenset[Digest]
    parties: tuple[ContractParty, ...]
    datasets: tuple[ContractDataset, ...]
    links: tuple[Link, ...]
    attestation: AttestationProfile
    price: Price
    resources: Resources = AS_QUERIED

    @property
    def owners(self) -> tuple[str, ...]:
        """Names of all owners, sorted: each one's broker takes part in every run."""
        return tuple(sorted(party.name for party in self.parties if "owner" in party.roles))

    @property
    def party_names(self) -> frozenset[str]:
        """Names of all parties."""
        return frozenset(party.name for party in self.parties)

    @property
    def lineages(self) -> frozenset[str]:
        """Lineages of all datasets."""
        return frozenset(dataset.lineage for dataset in self.datasets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract(ContractTerms):
    """A contract as it was signed.

    Attributes:
        raw: The exact bytes.
        digest: Their SHA-256.
    """

    raw: bytes = field(repr=False)
    digest: Digest
