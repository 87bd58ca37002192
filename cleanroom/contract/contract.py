# SPDX-License-Identifier: Apache-2.0
"""Read a contract: complete terms that do not contradict themselves.

Every party signs the same bytes. Nothing has a default that weakens anything:
an absent clause is refused, an empty list accepts nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from cleanroom.contract.attestation_profile import read_profile
from cleanroom.contract.attestation_terms import (
    SIMULATED,
    STAND_ALONE,
    AttestationProfile,
    Forbidden,
    NoCollateral,
    Waived,
)
from cleanroom.contract.contract_terms import (
    ByOwner,
    Contract,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Link,
    Price,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.contract_wire import (
    ContractWire,
    DatasetWire,
    LinkWire,
    PartyWire,
)
from cleanroom.contract.resources import AS_QUERIED, read_resources
from cleanroom.contract.types import split_column, split_lineage
from cleanroom.contract.wire import malformed, parse_document, unique, with_bytes
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_CONTRACT_BYTES
from cleanroom.kernel.remembered import remembered

__all__ = [
    "SIMULATED",
    "STAND_ALONE",
    "AttestationProfile",
    "ByOwner",
    "Contract",
    "ContractDataset",
    "ContractParty",
    "ContractTerms",
    "Forbidden",
    "Link",
    "NoCollateral",
    "Price",
    "Quorum",
    "SandboxLevel",
    "Waived",
    "parse_contract",
]

_KIND = "contract"


@remembered(16)
def parse_contract(data: bytes, *, what: str = "contract.toml") -> Contract:
    """Read a contract from its exact bytes.

    Raises:
        MalformedError: Not a contract, or one that contradicts itself.
    """
    wire = parse_document(ContractWire, data, what=what, kind=_KIND, limit=MAX_CONTRACT_BYTES)
    terms = _terms(wire, what=what)
    _require_times(terms, what=what)
    _require_parties(terms, what=what)
    _require_owners(terms, what=what)
    _require_links(terms, what=what)
    return with_bytes(Contract, terms, data=data)


def _terms(wire: ContractWire, *, what: str) -> ContractTerms:
    return ContractTerms(
        name=wire.name,
        purpose=wire.purpose,
        purpose_code=wire.purpose_code,
        not_before=wire.not_before.astimezone(dt.UTC),
        expires=wire.expires.astimezone(dt.UTC),
        predecessor=None if wire.predecessor == "none" else Digest.parse(wire.predecessor),
        quorum=Quorum(wire.quorum),
        max_runs=wire.max_runs,
        sandbox=SandboxLevel(wire.sandbox),
        receivers=_unique(wire.receivers, what=what, clause="receivers"),
        submitters=_unique(wire.submitters, what=what, clause="submitters"),
        queries=_digests(wire.queries, what=what, clause="queries"),
        parties=tuple(_party(party, what=what) for party in wire.parties),
        datasets=tuple(_dataset(dataset) for dataset in wire.datasets),
        links=tuple(_link(link) for link in wire.links),
        attestation=read_profile(wire.attestation, what=what),
        price=Price(currency=wire.price.currency, amount_per_run=wire.price.amount_per_run),
        resources=AS_QUERIED if wire.resources is None else read_resources(wire.resources),
    )


def _party(wire: PartyWire, *, what: str) -> ContractParty:
    return ContractParty(
        name=wire.name,
        document=Digest.parse(wire.document),
        roles=_unique(wire.roles, what=what, clause=f"parties.{wire.name}.roles"),
    )


def _dataset(wire: DatasetWire) -> ContractDataset:
    by_owner = wire.version == "by-owner"
    return ContractDataset(
        lineage=wire.lineage,
        owner=wire.owner,
        schema=Digest.parse(wire.schema_),
        policy=Digest.parse(wire.policy),
        version=ByOwner() if by_owner else Digest.parse(wire.version),
    )


def _link(wire: LinkWire) -> Link:
    return Link(left=wire.left, right=wire.right)


def _require_times(terms: ContractTerms, *, what: str) -> None:
    if terms.not_before >= terms.expires:
        raise malformed(
            what,
            "expires",
            found="a time that is not after not_before",
            agreed="not_before < expires",
            code="contract.times",
        )


def _require_parties(terms: ContractTerms, *, what: str) -> None:
    names = _unique((party.name for party in terms.parties), what=what, clause="parties")
    _unique((str(party.document) for party in terms.parties), what=what, clause="parties")
    for clause, listed in (("receivers", terms.receivers), ("submitters", terms.submitters)):
        for name in sorted(listed - names):
            raise malformed(
                what,
                clause,
                found=f"{name!r}, which is no party",
                agreed=f"parties: {', '.join(sorted(names))}",
                code="contract.party",
                hint="add the party with its document, or remove it from the list",
            )


def _require_owners(terms: ContractTerms, *, what: str) -> None:
    _unique((dataset.lineage for dataset in terms.datasets), what=what, clause="datasets")
    for dataset in terms.datasets:
        if dataset.owner not in terms.owners:
            raise malformed(
                what,
                f"datasets.{dataset.lineage}.owner",
                found=f"{dataset.owner!r} without the role owner",
                agreed="a party with the role owner",
                code="contract.owner",
                hint="whoever owns a dataset runs a key broker, so the contract must say so",
            )
        if split_lineage(dataset.lineage)[0] != dataset.owner:
            raise malformed(
                what,
                f"datasets.{dataset.lineage}.owner",
                found=repr(dataset.owner),
                agreed="the party that the dataset is named after",
                code="contract.owner",
            )


def _require_links(terms: ContractTerms, *, what: str) -> None:
    # Written both ways round, or twice, a link would be one: one reading only.
    _unique((" = ".join(sorted(link.pair)) for link in terms.links), what=what, clause="links")
    for number, link in enumerate(terms.links, start=1):
        left, right = split_column(link.left)[0], split_column(link.right)[0]
        for lineage in (left, right):
            if lineage not in terms.lineages:
                raise malformed(
                    what,
                    f"links[{number}]",
                    found=f"{lineage!r}, which is no dataset of the contract",
                    agreed="columns of two datasets of the contract",
                    code="contract.link",
                )
        if left == right:
            raise malformed(
                what,
                f"links[{number}]",
                found="one dataset on both sides",
                agreed="columns of two datasets of the contract",
                code="contract.link",
            )


def _digests(values: Iterable[str], *, what: str, clause: str) -> frozenset[Digest]:
    return frozenset(Digest.parse(text) for text in _unique(values, what=what, clause=clause))


def _unique(values: Iterable[str], *, what: str, clause: str) -> frozenset[str]:
    return unique(values, what=what, clause=clause, kind=_KIND)
