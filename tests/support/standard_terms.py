# SPDX-License-Identifier: Apache-2.0
"""Terms of every document in the standard room: a hospital and an insurer.

Nothing here has bytes or signatures; see ``room_documents``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from cleanroom.contract.approval import ApprovalTerms, Decision
from cleanroom.contract.contract import (
    AttestationProfile,
    ByOwner,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Forbidden,
    Link,
    NoCollateral,
    Price,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.dataset import DatasetTerms, Part, part_file, schema_digest
from cleanroom.contract.policy import Column, NoNoise, PolicyTerms, Role, Unit
from cleanroom.contract.query import CodeFile, OutputColumn, Parameter, QueryTerms
from cleanroom.contract.resources import Resources
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.types import ColumnType, ParameterType, split_lineage
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest
from tests.support.keys import ThrowawayParty

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
            max_collateral_age=NoCollateral(),
            clauses=(),
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
