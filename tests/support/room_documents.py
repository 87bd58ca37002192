# SPDX-License-Identifier: Apache-2.0
"""A complete, valid room of two parties, with a knob for every document.

A hospital brings patients and encounters, an insurer members and claims; the
insurer asks one query over all of it. Everything is rendered, signed and parsed
by the product. A test changes one thing:

    room = build_room(run={"expires": NOW})           # terms of one document
    room = build_room(policies={"hospital.encounters": {"threshold": 20}})

Documents are built in the order in which they name each other, so a change in a
policy changes the contract's digest and everything that names it: the room stays
valid except for what was asked for. To break a reference instead, replace a file
of the bundle with :func:`tests.support.bundle_slots.with_file`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement, Trust, agree
from cleanroom.contract.approved_run import ApprovedRun, approve_run
from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.contract.contract import ContractTerms
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.dataset import DatasetTerms
from cleanroom.contract.document_render import (
    render_approval,
    render_dataset,
    render_query,
    render_revocation,
    render_run_request,
)
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.policy import Column, PolicyTerms
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.query import QueryTerms
from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.types import split_lineage
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.bundle_slots import Slot, slots, with_file
from tests.support.keys import ThrowawayParty, pins_of, sign_by, throwaway_party
from tests.support.standard_terms import (
    CODE,
    COLUMNS,
    DAY,
    LINEAGES,
    NOW,
    PARTIES,
    QUERY,
    RUN,
    RUNNER,
    USED,
    Changes,
    approval_terms,
    standard_contract,
    standard_dataset,
    standard_policy,
    standard_query,
    standard_run,
    types_of,
)

__all__ = [
    "CODE",
    "COLUMNS",
    "DAY",
    "LINEAGES",
    "NOW",
    "PARTIES",
    "QUERY",
    "RUN",
    "RUNNER",
    "USED",
    "Changes",
    "RoomDocuments",
    "Slot",
    "approval_terms",
    "build_room",
    "slots",
    "standard_contract",
    "standard_dataset",
    "standard_policy",
    "standard_query",
    "standard_run",
    "types_of",
    "with_file",
]

_NONE: Changes = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDocuments:
    """A built room.

    Attributes:
        parties: The parties with their keys, by name.
        bundle: Everything about the one run.
        policy_terms: Terms of every policy, by lineage.
        dataset_terms: Terms of every sealed dataset, by lineage.
        contract_terms: Terms of the contract.
        query_terms: Terms of the query.
        run_terms: Terms of the run request.
    """

    parties: Mapping[str, ThrowawayParty]
    bundle: RunBundle
    policy_terms: Mapping[str, PolicyTerms]
    dataset_terms: Mapping[str, DatasetTerms]
    contract_terms: ContractTerms
    query_terms: QueryTerms
    run_terms: RunTerms

    @property
    def contract_bundle(self) -> ContractBundle:
        """The contract and every document that it names."""
        return self.bundle.agreement

    @property
    def contract_digest(self) -> Digest:
        """Digest of the contract."""
        return Digest.of(self.bundle.agreement.contract.data)

    @property
    def query_digest(self) -> Digest:
        """Digest of the query document."""
        return Digest.of(self.bundle.query.data)

    @property
    def pins(self) -> Pins:
        """Pins of all parties, as each of them has after comparing fingerprints."""
        return pins_of(*self.parties.values())

    def agreement(self, *, trust: Trust | None = None) -> Agreement:
        """Agree, as each party does."""
        return agree(self.bundle.agreement, trust=self.pins if trust is None else trust)

    def approved(
        self, *, at: dt.datetime = NOW, withdrawn: Iterable[SignedFile] = ()
    ) -> ApprovedRun:
        """Approve the run, as each broker does."""
        return approve_run(self.agreement(), self.bundle, at=at, withdrawn=withdrawn)

    def sign(self, data: bytes, *, kind: str, by: str) -> SignedFile:
        """Sign a document as one party."""
        return sign_by(data, kind=kind, parties=(self.parties[by],))

    def approval(self, by: str, **changes: Any) -> SignedFile:
        """Sign another approval or rejection of the query by one party."""
        terms = approval_terms(by, contract=self.contract_digest, query=self.query_digest)
        data = render_approval(dataclasses.replace(terms, **changes))
        return self.sign(data, kind="approval", by=by)

    def revocation(
        self, by: str, *, kind: RevocationKind, subject: Digest | str, **changes: Any
    ) -> SignedFile:
        """Sign a revocation by one party, in force since yesterday."""
        terms = RevocationTerms(
            party=by, kind=kind, subject=subject, since=NOW - DAY, reason="it was a mistake"
        )
        data = render_revocation(dataclasses.replace(terms, **changes))
        return self.sign(data, kind="revocation", by=by)

    def write(self, path: Path) -> RoomDirectory:
        """Publish every document into a room directory."""
        room = RoomDirectory(path=path)
        path.mkdir(parents=True, exist_ok=True)
        for place, file in self.files().items():
            room.publish(place, file.data, file.signatures)
        return room

    def files(self) -> dict[str, SignedFile]:
        """Every document by its place in the room."""
        agreed = self.bundle.agreement
        query = self.query_terms.name
        revocations = enumerate(self.bundle.revocations)
        return {
            **{places.party_file(name): file for name, file in agreed.parties.items()},
            **{places.policy_file(name): file for name, file in agreed.policies.items()},
            **{places.dataset_file(name): file for name, file in agreed.datasets.items()},
            places.CONTRACT: agreed.contract,
            places.query_file(query): self.bundle.query,
            **{
                places.code_file(query, name): SignedFile(data=data, signatures={})
                for name, data in self.bundle.code.items()
            },
            **{
                places.approval_file(query, name): file
                for name, file in self.bundle.approvals.items()
            },
            places.run_file(self.run_terms.run): self.bundle.run,
            **{
                places.revocation_file(next(iter(file.signatures)), Digest.of(file.data)): file
                for _, file in revocations
            },
        }


def build_room(
    *,
    parties: Mapping[str, ThrowawayParty] | None = None,
    policies: Mapping[str, Changes] = _NONE,
    datasets: Mapping[str, Changes] = _NONE,
    contract: Changes = _NONE,
    query: Changes = _NONE,
    code: bytes = CODE,
    approvals: Mapping[str, Changes] | None = None,
    run: Changes = _NONE,
    revocations: Iterable[RevocationTerms] = (),
    columns: Mapping[str, tuple[tuple[str, Column], ...]] = COLUMNS,
) -> RoomDocuments:
    """Build a valid room, except for what the knobs change.

    Args:
        parties: Other parties than the two standard ones.
        policies: Changed terms of policies, by lineage.
        datasets: Changed terms of sealed datasets, by lineage.
        contract: Changed terms of the contract.
        query: Changed terms of the query.
        code: The query's SQL.
        approvals: Who approves, and changed terms; by default every owner.
        run: Changed terms of the run request.
        revocations: What parties took back.
        columns: Other datasets: types and columns by lineage.
    """
    people = parties or {name: throwaway_party(name) for name in PARTIES}
    policy_terms = {
        name: dataclasses.replace(standard_policy(name, columns), **policies.get(name, {}))
        for name in columns
    }
    policy_files = {
        name: _signed(render_policy(terms), "policy", people[terms.owner])
        for name, terms in policy_terms.items()
    }
    dataset_terms = {
        name: dataclasses.replace(
            standard_dataset(name, columns, policy=Digest.of(policy_files[name].data)),
            **datasets.get(name, {}),
        )
        for name in columns
    }
    dataset_files = {
        name: _signed(render_dataset(terms), "dataset", people[split_lineage(name)[0]])
        for name, terms in dataset_terms.items()
    }
    contract_terms = dataclasses.replace(
        standard_contract(people.values(), policy_files, columns), **contract
    )
    contract_file = sign_by(
        render_contract(contract_terms), kind="contract", parties=tuple(people.values())
    )
    query_terms = dataclasses.replace(standard_query(code), **query)
    query_file = _signed(render_query(query_terms), "query", people[query_terms.author])
    named = {
        "contract": Digest.of(contract_file.data),
        "query": Digest.of(query_file.data),
    }
    given = dict.fromkeys(PARTIES, _NONE) if approvals is None else approvals
    run_terms = dataclasses.replace(standard_run(**named), **run)
    bundle = RunBundle(
        agreement=ContractBundle(
            contract=contract_file,
            parties={name: party.signed_document for name, party in people.items()},
            datasets=dataset_files,
            policies=policy_files,
        ),
        query=query_file,
        code={file.file: code for file in query_terms.code},
        approvals={
            name: _signed(
                render_approval(dataclasses.replace(approval_terms(name, **named), **changes)),
                "approval",
                people[name],
            )
            for name, changes in given.items()
        },
        run=_signed(render_run_request(run_terms), "run", people[run_terms.submitter]),
        revocations=tuple(
            _signed(render_revocation(terms), "revocation", people[terms.party])
            for terms in revocations
        ),
    )
    return RoomDocuments(
        parties=people,
        bundle=bundle,
        policy_terms=policy_terms,
        dataset_terms=dataset_terms,
        contract_terms=contract_terms,
        query_terms=query_terms,
        run_terms=run_terms,
    )


def _signed(data: bytes, kind: str, party: ThrowawayParty) -> SignedFile:
    return sign_by(data, kind=kind, parties=(party,))
