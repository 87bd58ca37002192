# SPDX-License-Identifier: Apache-2.0
"""A room in memory after one run: every document signed by throw-away parties."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from cleanroom.contract import places
from cleanroom.contract.approval import ApprovalTerms, Decision
from cleanroom.contract.attestation_terms import AttestationProfile, Forbidden, NoCollateral
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.contract_terms import (
    ByOwner,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Link,
    Price,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.dataset import DatasetTerms, Part, part_file
from cleanroom.contract.document_render import (
    render_approval,
    render_dataset,
    render_query,
    render_run_request,
)
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.policy_terms import Column, PolicyTerms, Public, Role, Unit
from cleanroom.contract.query import CodeFile, OutputColumn, Parameter, QueryTerms
from cleanroom.contract.resources import Resources
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.types import ColumnType, ParameterType
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.keys import ThrowawayParty, pins_of, sign_by, throwaway_party

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
RUN = "run-20261122-01"
RUNNER = Digest.of(b"the agreed runner")
CODE = b"SELECT ward, count(*) AS stays FROM hospital.stays GROUP BY ward\n"
SEALED_RESULT = b"sealed result" * 64
PROTECTED = ("hospital.stays", "insurer.members")
PUBLIC = ("hospital.wards",)
PARTIES = ("analyst", "hospital", "insurer")
OWNERS = ("hospital", "insurer")
COLUMNS = (("person", ColumnType("string")), ("ward", ColumnType("string")))


@dataclass
class MemoryRoom:
    """Finds documents by place and digest, as a room does."""

    files: dict[tuple[str, Digest], SignedFile] = field(default_factory=dict)

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the document, or refuse as a room does."""
        file = self.files.get((relative, digest))
        if file is None:
            raise IntegrityError(
                f"{relative}: found none, agreed {digest}", code="room.other-bytes"
            )
        return file

    def put(self, relative: str, file: SignedFile) -> Digest:
        """Keep a document under its own digest."""
        digest = Digest.of(file.data)
        self.files[relative, digest] = file
        return digest


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Everything people signed for one run."""

    room: MemoryRoom
    pins: Pins
    contract: Digest
    query: Digest
    request: Digest
    approvals: Mapping[str, Digest]
    datasets: Mapping[str, tuple[DatasetTerms, Digest]]
    policies: Mapping[str, Digest]
    code: Digest
    result: Digest
    run: RunTerms


def people() -> dict[str, ThrowawayParty]:
    """Return the parties by name."""
    return {name: throwaway_party(name) for name in PARTIES}


def policy_terms(lineage: str, *, threshold: int = 10) -> PolicyTerms:
    """Return a policy; the two protected ones differ in every rule."""
    owner = lineage.partition(".")[0]
    joins = frozenset((*PROTECTED, *PUBLIC)) - {lineage}
    common: dict[str, Any] = {
        "owner": owner,
        "dataset": lineage,
        "kinds": frozenset({"sql"}),
        "receivers": frozenset({"insurer"}),
        "joins": joins,
    }
    if lineage in PUBLIC:
        columns = {name: Column(name=name, role=Role.PUBLIC) for name, _ in COLUMNS}
        return PolicyTerms(unit=Public(), columns=columns, **common)
    strict = owner == "hospital"
    return PolicyTerms(
        unit=Unit(kind="person", namespace="people", column="person", one_row=False, max_rows=9),
        columns={
            "person": Column(name="person", role=Role.KEY, namespace="people"),
            "ward": Column(name="ward", role=Role.DIMENSION),
        },
        compare_column=frozenset({"person"}),
        compare_literal=frozenset({"ward"}),
        threshold=threshold if strict else 5,
        dominance_largest=2 if strict else 1,
        dominance_share=Fraction(9, 10) if strict else Fraction(1, 2),
        p_percent=Fraction(10 if strict else 5),
        round_counts=5 if strict else 2,
        significant_digits=3 if strict else 4,
        difference=8 if strict else 12,
        releases_per_receiver=100,
        releases_total=200,
        **common,
    )


def contract_terms(
    *, parties: Mapping[str, Digest], policies: Mapping[str, Digest], schema: Digest
) -> ContractTerms:
    """Return the contract that the parties sign."""
    owner, analyst = frozenset({"owner", "receiver"}), frozenset({"analyst"})
    return ContractTerms(
        name="readmissions",
        purpose="Readmissions by ward",
        purpose_code="health-research",
        not_before=NOW - dt.timedelta(days=1),
        expires=NOW + dt.timedelta(days=300),
        predecessor=None,
        quorum=Quorum.OWNERS_TOUCHED,
        max_runs=50,
        sandbox=SandboxLevel.PROCESS,
        receivers=frozenset({"insurer"}),
        submitters=frozenset({"analyst"}),
        queries=frozenset(),
        parties=tuple(
            ContractParty(name=name, document=digest, roles=owner if name in OWNERS else analyst)
            for name, digest in parties.items()
        ),
        datasets=tuple(
            ContractDataset(
                lineage=lineage,
                owner=lineage.partition(".")[0],
                schema=schema,
                policy=policy,
                version=ByOwner(),
            )
            for lineage, policy in policies.items()
        ),
        links=(Link(left="hospital.stays.person", right="insurer.members.person"),),
        attestation=AttestationProfile(
            platforms=frozenset({"simulated"}),
            measurements=frozenset({RUNNER}),
            debug=Forbidden(),
            max_evidence_age=dt.timedelta(minutes=5),
            max_collateral_age=NoCollateral(),
            clauses=(),
        ),
        price=Price(currency="none", amount_per_run=0),
    )


def dataset_terms(lineage: str, policy: Digest) -> DatasetTerms:
    """Return one sealed version."""
    part = Part(
        file=part_file(3, 0), digest=Digest.of(lineage.encode()), size=4096, file_id="ab" * 16
    )
    return DatasetTerms(
        lineage=lineage,
        owner=lineage.partition(".")[0],
        version=3,
        policy=policy,
        key_id=Digest.of(f"key of {lineage}".encode()).hex[:32],
        columns=COLUMNS,
        normalisation={},
        parts=(part,),
    )


def query_terms(lineages: tuple[str, ...]) -> QueryTerms:
    """Return the query document."""
    return QueryTerms(
        name="readmissions",
        author="analyst",
        kind="sql",
        receivers=frozenset({"insurer"}),
        code=(CodeFile(file="query.sql", digest=Digest.of(CODE)),),
        datasets=dict.fromkeys(lineages, ("ward",)),
        parameters={"since": Parameter(name="since", type=ParameterType.INTEGER, values=(1, 2))},
        output=(OutputColumn(name="stays", type=ColumnType("integer")),),
        resources=Resources(memory_mib=512, seconds=60, rows=1000),
    )


def approval(approver: str, *, contract: Digest, query: Digest) -> bytes:
    """Return an approval of the query."""
    return render_approval(
        ApprovalTerms(
            approver=approver,
            contract=contract,
            query=query,
            decision=Decision.APPROVE,
            reason="as discussed",
            sequence=1,
            expires=NOW + dt.timedelta(days=30),
        )
    )


def make_documents(
    *, lineages: tuple[str, ...] = PROTECTED, strict_threshold: int = 10, **contract_changes: Any
) -> Documents:
    """Sign everything that a run over these datasets needs."""
    room, party = MemoryRoom(), people()
    documents = {
        name: room.put(places.party_file(name), one.signed_document) for name, one in party.items()
    }

    def signed(place: str, data: bytes, kind: str, *signers: str) -> Digest:
        names = tuple(party[name] for name in signers)
        return room.put(place, sign_by(data, kind=kind, parties=names))

    everything = (*PROTECTED, *PUBLIC)
    policies = {
        lineage: signed(
            places.policy_file(lineage),
            render_policy(policy_terms(lineage, threshold=strict_threshold)),
            "policy",
            lineage.partition(".")[0],
        )
        for lineage in everything
    }
    sealed = {lineage: dataset_terms(lineage, policies[lineage]) for lineage in everything}
    terms = contract_terms(
        parties=documents, policies=policies, schema=sealed[everything[0]].schema
    )
    terms = replace(terms, **contract_changes)
    contract = signed(places.CONTRACT, render_contract(terms), "contract", *PARTIES)
    datasets = {
        lineage: signed(places.dataset_file(lineage), render_dataset(one), "dataset", one.owner)
        for lineage, one in sealed.items()
    }
    query = query_terms(lineages)
    query_digest = signed(places.query_file(query.name), render_query(query), "query", "analyst")
    room.put(places.code_file(query.name, "query.sql"), SignedFile(data=CODE, signatures={}))
    approvals = {
        owner: signed(
            places.approval_file(query.name, owner),
            approval(owner, contract=contract, query=query_digest),
            "approval",
            owner,
        )
        for owner in sorted({lineage.partition(".")[0] for lineage in lineages})
    }
    run = RunTerms(
        run=RUN,
        contract=contract,
        query=query_digest,
        submitter="analyst",
        receivers=frozenset({"insurer"}),
        parameters={"since": 2},
        expires=NOW + dt.timedelta(hours=1),
    )
    request = signed(places.run_file(RUN), render_run_request(run), "run", "analyst")
    result = room.put(places.result_file(RUN), SignedFile(data=SEALED_RESULT, signatures={}))
    return Documents(
        room=room,
        pins=pins_of(*party.values()),
        contract=contract,
        query=query_digest,
        request=request,
        approvals=approvals,
        datasets={name: (sealed[name], datasets[name]) for name in lineages},
        policies=policies,
        code=Digest.of(CODE),
        result=result,
        run=run,
    )
