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
of the bundle with :func:`with_file`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cleanroom.contract import places
from cleanroom.contract.agreement import Agreement, Trust, agree
from cleanroom.contract.approval import ApprovalTerms, Decision
from cleanroom.contract.approved_run import ApprovedRun, approve_run
from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.contract.contract import (
    AttestationProfile,
    ByOwner,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Forbidden,
    Link,
    Price,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.dataset import DatasetTerms, Part, part_file, schema_digest
from cleanroom.contract.document_render import (
    render_approval,
    render_dataset,
    render_query,
    render_revocation,
    render_run_request,
)
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.policy import Column, NoNoise, PolicyTerms, Role, Unit
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.query import (
    CodeFile,
    OutputColumn,
    Parameter,
    QueryTerms,
    Resources,
)
from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.types import ColumnType, ParameterType, split_lineage
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.identity.pins import Pins
from cleanroom.kernel.digest import Digest
from tests.support.keys import ThrowawayParty, pins_of, sign_by, throwaway_party

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RUNNER = Digest.of(b"the agreed runner")
RUN = "plans-and-wards-0001"
QUERY = "plans-and-wards"
PARTIES = ("hospital", "insurer")
CODE = b"""\
-- Encounters of insured patients by ward and plan.
SELECT e.ward, m.plan, count(DISTINCT e.patient_id) AS patients, sum(e.cost) AS total_cost
FROM hospital.encounters AS e
JOIN hospital.patients AS p ON e.patient_id = p.patient_id
JOIN insurer.members AS m ON p.person_key = m.person_key
WHERE m.region = $region AND p.birth_year >= $born AND e.admitted >= $since
GROUP BY e.ward, m.plan
"""


def _column(name: str, role: Role, namespace: str = "") -> Column:
    return Column(name=name, role=role, namespace=namespace)


def _money(name: str) -> Column:
    return Column(
        name=name,
        role=Role.MEASURE,
        lower=Fraction(0),
        upper=Fraction(20000),
        measured_in="EUR",
    )


# Every column of every dataset: its type, and its role in the policy.
COLUMNS: Mapping[str, tuple[tuple[str, Column], ...]] = {
    "hospital.patients": (
        ("string", _column("patient_id", Role.KEY, "hospital_pid")),
        ("string", _column("person_key", Role.KEY, "hospital_person")),
        ("string", _column("sex", Role.DIMENSION)),
        ("integer", _column("birth_year", Role.QUASI)),
        ("string", _column("surname", Role.BLOCKED)),
    ),
    "hospital.encounters": (
        ("string", _column("encounter_id", Role.ROW_ID)),
        ("string", _column("patient_id", Role.KEY, "hospital_pid")),
        ("string", _column("ward", Role.DIMENSION)),
        ("date", _column("admitted", Role.QUASI)),
        ("decimal(12,2)", _money("cost")),
    ),
    "insurer.members": (
        ("string", _column("member_id", Role.KEY, "insurer_mid")),
        ("string", _column("person_key", Role.KEY, "insurer_person")),
        ("string", _column("plan", Role.DIMENSION)),
        ("string", _column("region", Role.QUASI)),
    ),
    "insurer.claims": (
        ("string", _column("claim_id", Role.ROW_ID)),
        ("string", _column("member_id", Role.KEY, "insurer_mid")),
        ("string", _column("cause", Role.DIMENSION)),
        ("decimal(12,2)", _money("amount")),
    ),
}
LINEAGES = tuple(COLUMNS)
USED: Mapping[str, tuple[str, ...]] = {
    "hospital.encounters": ("patient_id", "ward", "cost", "admitted"),
    "hospital.patients": ("patient_id", "person_key", "birth_year"),
    "insurer.members": ("person_key", "plan", "region"),
}

Changes = Mapping[str, Any]
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


def with_file(bundle: RunBundle, place: str, file: SignedFile, *, name: str = "") -> RunBundle:
    """Replace one file of a bundle, or add it.

    Args:
        bundle: The bundle; it stays as it is.
        place: ``contract``, ``parties``, ``policies``, ``datasets``, ``query``,
            ``approvals``, ``run`` or ``revocations``.
        file: The other file.
        name: Party, lineage, or number of a revocation from 0.
    """
    if place in {"query", "run"}:
        return dataclasses.replace(bundle, **{place: file})
    if place == "approvals":
        return dataclasses.replace(bundle, approvals={**bundle.approvals, name: file})
    if place == "revocations":
        others = list(bundle.revocations)
        others[int(name) : int(name) + 1] = [file]
        return dataclasses.replace(bundle, revocations=tuple(others))
    agreed = bundle.agreement
    changed = file if place == "contract" else {**getattr(agreed, place), name: file}
    return dataclasses.replace(bundle, agreement=dataclasses.replace(agreed, **{place: changed}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One piece of bytes in a bundle, and how to put other bytes in its place.

    Attributes:
        what: The name under which a refusal must speak of it.
        data: The valid bytes.
        replaced: Returns the bundle with other bytes here.
    """

    what: str
    data: bytes
    replaced: Callable[[bytes], RunBundle]


def slots(bundle: RunBundle) -> tuple[Slot, ...]:
    """List every document, every signature and every file of code of a bundle."""
    agreed = bundle.agreement
    return (
        *_file_slots(bundle, "contract", "", agreed.contract, what="contract.toml"),
        *_map_slots(bundle, "parties", agreed.parties, what="parties/{}.toml"),
        *_map_slots(bundle, "policies", agreed.policies, what="datasets/{}/policy.toml"),
        *_map_slots(bundle, "datasets", agreed.datasets, what="datasets/{}/dataset.toml"),
        *_file_slots(bundle, "query", "", bundle.query, what="query.toml"),
        *_map_slots(bundle, "approvals", bundle.approvals, what="approvals/{}.toml"),
        *_file_slots(bundle, "run", "", bundle.run, what="run.toml"),
        *(
            slot
            for index, file in enumerate(bundle.revocations)
            for slot in _file_slots(
                bundle, "revocations", str(index), file, what=f"revocation {index + 1}"
            )
        ),
        *(
            Slot(
                what=f"code {name}",
                data=data,
                replaced=lambda other, name=name: dataclasses.replace(
                    bundle, code={**bundle.code, name: other}
                ),
            )
            for name, data in bundle.code.items()
        ),
    )


def _map_slots(
    bundle: RunBundle, place: str, files: Mapping[str, SignedFile], *, what: str
) -> list[Slot]:
    return [
        slot
        for name, file in files.items()
        for slot in _file_slots(bundle, place, name, file, what=what.format(name))
    ]


def _file_slots(
    bundle: RunBundle, place: str, name: str, file: SignedFile, *, what: str
) -> list[Slot]:
    def put(changed: SignedFile) -> RunBundle:
        return with_file(bundle, place, changed, name=name)

    def put_signature(party: str) -> Callable[[bytes], RunBundle]:
        return lambda other: put(
            dataclasses.replace(file, signatures={**file.signatures, party: other})
        )

    return [
        Slot(
            what=what,
            data=file.data,
            replaced=lambda other: put(dataclasses.replace(file, data=other)),
        ),
        *(
            Slot(what=f"{what}: signature of {party}", data=armored, replaced=put_signature(party))
            for party, armored in file.signatures.items()
        ),
    ]


def types_of(
    lineage: str, columns: Mapping[str, tuple[tuple[str, Column], ...]] = COLUMNS
) -> tuple[tuple[str, ColumnType], ...]:
    """Return names and types of a dataset, as ``dataset.toml`` lists them."""
    return tuple((column.name, ColumnType(kind)) for kind, column in columns[lineage])


def standard_policy(
    lineage: str, columns: Mapping[str, tuple[tuple[str, Column], ...]] = COLUMNS
) -> PolicyTerms:
    """Make the policy terms of a standard dataset."""
    owner, table = split_lineage(lineage)
    roles = {column.name: column for _, column in columns[lineage]}
    key = next(column for column in roles.values() if column.role is Role.KEY)
    one_row = table in {"patients", "members"}
    return PolicyTerms(
        owner=owner,
        dataset=lineage,
        kinds=frozenset({"sql"}),
        receivers=frozenset(PARTIES),
        unit=Unit(
            kind="person",
            namespace=key.namespace,
            column=key.name,
            one_row=one_row,
            max_rows=1 if one_row else 500,
        ),
        columns=roles,
        joins=frozenset(columns) - {lineage},
        functions=frozenset(),
        zeros="suppress",
        compare_literal=_with_role(roles, Role.DIMENSION, Role.QUASI),
        compare_column=_with_role(roles, Role.KEY),
        threshold=10,
        dominance_largest=2,
        dominance_share=Fraction(9, 10),
        p_percent=Fraction(10),
        round_counts=5,
        significant_digits=4,
        noise=NoNoise(),
        difference=10,
        releases_per_receiver=100,
        releases_total=200,
    )


def standard_dataset(
    lineage: str,
    columns: Mapping[str, tuple[tuple[str, Column], ...]] = COLUMNS,
    *,
    policy: Digest,
) -> DatasetTerms:
    """Make the dataset terms of a standard dataset; its one part exists by digest only."""
    identity = Digest.of(b"part of " + lineage.encode())
    part = Part(file=part_file(1, 0), digest=identity, size=4096, file_id=identity.hex[:32])
    return DatasetTerms(
        lineage=lineage,
        owner=split_lineage(lineage)[0],
        version=1,
        policy=policy,
        key_id=Digest.of(b"key of " + lineage.encode()).hex[:32],
        columns=types_of(lineage, columns),
        normalisation={
            name: "email-sha256" for name, _ in types_of(lineage, columns) if name == "person_key"
        },
        parts=(part,),
    )


def standard_contract(
    parties: Iterable[ThrowawayParty],
    policies: Mapping[str, SignedFile],
    columns: Mapping[str, tuple[tuple[str, Column], ...]] = COLUMNS,
) -> ContractTerms:
    """Make the terms of the standard contract over these policies."""
    return ContractTerms(
        name="readmissions-2026",
        purpose="Find out which plans lead to fewer readmissions",
        purpose_code="health-research",
        not_before=NOW - 21 * DAY,
        expires=NOW + 344 * DAY,
        predecessor=None,
        quorum=Quorum.OWNERS_TOUCHED,
        max_runs=100,
        sandbox=SandboxLevel.PROCESS,
        receivers=frozenset({"insurer"}),
        submitters=frozenset({"insurer"}),
        queries=frozenset(),
        parties=tuple(
            ContractParty(
                name=party.name,
                document=party.document.digest,
                roles=frozenset({"owner", "receiver"}),
            )
            for party in parties
        ),
        datasets=tuple(
            ContractDataset(
                lineage=lineage,
                owner=split_lineage(lineage)[0],
                schema=schema_digest(types_of(lineage, columns)),
                policy=Digest.of(policies[lineage].data),
                version=ByOwner(),
            )
            for lineage in columns
        ),
        links=(Link(left="hospital.patients.person_key", right="insurer.members.person_key"),)
        if {"hospital.patients", "insurer.members"} <= columns.keys()
        else (),
        attestation=AttestationProfile(
            platforms=frozenset({"simulated"}),
            measurements=frozenset({RUNNER}),
            debug=Forbidden(),
            max_evidence_age=dt.timedelta(minutes=5),
        ),
        price=Price(currency="EUR", amount_per_run=250),
    )


def standard_query(code: bytes = CODE) -> QueryTerms:
    """Make the terms of the standard query: three parameters, one of each type."""
    parameters = (
        Parameter(name="region", type=ParameterType.STRING, values=("north", "south")),
        Parameter(name="born", type=ParameterType.INTEGER, values=(1940, 1960, 1980)),
        Parameter(name="since", type=ParameterType.DATE, values=("2025-01-01", "2025-07-01")),
    )
    return QueryTerms(
        name=QUERY,
        author="insurer",
        kind="sql",
        receivers=frozenset({"insurer"}),
        code=(CodeFile(file="query.sql", digest=Digest.of(code)),),
        datasets=USED,
        parameters={parameter.name: parameter for parameter in parameters},
        output=(
            OutputColumn(name="ward", type=ColumnType("string")),
            OutputColumn(name="plan", type=ColumnType("string")),
            OutputColumn(name="patients", type=ColumnType("integer")),
            OutputColumn(name="total_cost", type=ColumnType("decimal(38,2)")),
        ),
        resources=Resources(memory_mib=1024, seconds=60, rows=10_000),
    )


def approval_terms(approver: str, *, contract: Digest, query: Digest) -> ApprovalTerms:
    """Make the terms of an approval that counts for a month."""
    return ApprovalTerms(
        approver=approver,
        contract=contract,
        query=query,
        decision=Decision.APPROVE,
        reason="groups by ward and plan only",
        sequence=1,
        expires=NOW + 30 * DAY,
    )


def standard_run(*, contract: Digest, query: Digest) -> RunTerms:
    """Make the terms of a run request that counts for a day."""
    return RunTerms(
        run=RUN,
        contract=contract,
        query=query,
        submitter="insurer",
        receivers=frozenset({"insurer"}),
        parameters={"region": "north", "born": 1960, "since": "2025-01-01"},
        expires=NOW + DAY,
    )


def _with_role(columns: Mapping[str, Column], *roles: Role) -> frozenset[str]:
    return frozenset(name for name, column in columns.items() if column.role in roles)


def _signed(data: bytes, kind: str, party: ThrowawayParty) -> SignedFile:
    return sign_by(data, kind=kind, parties=(party,))
