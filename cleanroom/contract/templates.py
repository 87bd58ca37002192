# SPDX-License-Identifier: Apache-2.0
"""Annotated templates of contract and policies: what ``contracts/templates`` holds.

They are written by the same code as real documents, so a template cannot teach
a form that the parser refuses. Their digests match nothing, and no platform is
listed: a template must not choose a weak one for anybody.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from fractions import Fraction

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
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.policy import Column, NoNoise, PolicyTerms, Public, Role, Unit
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.resources import Resources
from cleanroom.kernel.digest import Digest

PLACEHOLDER = Digest(bytes(32))


def templates() -> dict[str, bytes]:
    """Return every template by file name."""
    return {
        "two-party.toml": render_contract(_contract()),
        "policy-many-rows.toml": render_policy(_many_rows()),
        "policy-one-row.toml": render_policy(_one_row()),
        "policy-public.toml": render_policy(_public()),
    }


def _contract() -> ContractTerms:
    return ContractTerms(
        name="readmissions-2026",
        purpose="Find out which plans lead to fewer readmissions",
        purpose_code="health-research",
        not_before=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        expires=dt.datetime(2027, 11, 1, tzinfo=dt.UTC),
        predecessor=None,
        quorum=Quorum.OWNERS_TOUCHED,
        max_runs=100,
        sandbox=SandboxLevel.SELF,
        receivers=frozenset({"insurer"}),
        submitters=frozenset({"insurer"}),
        queries=frozenset(),
        parties=(
            _party("hospital", Digest.of(b"hospital"), "owner"),
            _party("insurer", Digest.of(b"insurer"), "owner", "analyst", "receiver"),
        ),
        datasets=(_dataset("hospital.encounters"), _dataset("insurer.members")),
        links=(Link(left="hospital.encounters.person_key", right="insurer.members.person_key"),),
        attestation=AttestationProfile(
            platforms=frozenset(),
            measurements=frozenset(),
            debug=Forbidden(),
            max_evidence_age=dt.timedelta(minutes=5),
            max_collateral_age=NoCollateral(),
            clauses=(),
        ),
        price=Price(currency="none", amount_per_run=0),
        resources=Resources(
            memory_mib=4096, seconds=600, rows=100_000, processor_seconds=1200, result_mib=16
        ),
    )


def _party(name: str, document: Digest, *roles: str) -> ContractParty:
    return ContractParty(name=name, document=document, roles=frozenset(roles))


def _dataset(lineage: str) -> ContractDataset:
    return ContractDataset(
        lineage=lineage,
        owner=lineage.partition(".")[0],
        schema=PLACEHOLDER,
        policy=PLACEHOLDER,
        version=ByOwner(),
    )


def _many_rows() -> PolicyTerms:
    columns = (
        Column(name="encounter_id", role=Role.ROW_ID),
        Column(name="person_key", role=Role.KEY, namespace="hospital_person"),
        Column(name="ward", role=Role.DIMENSION),
        Column(name="postcode", role=Role.QUASI),
        Column(
            name="cost",
            role=Role.MEASURE,
            lower=Fraction(0),
            upper=Fraction(20000),
            measured_in="EUR",
        ),
        Column(name="note", role=Role.BLOCKED),
    )
    return PolicyTerms(
        owner="hospital",
        dataset="hospital.encounters",
        kinds=frozenset({"sql"}),
        receivers=frozenset({"hospital", "insurer"}),
        functions=frozenset(),
        zeros="suppress",
        unit=Unit(
            kind="person",
            namespace="hospital_person",
            column="person_key",
            one_row=False,
            max_rows=500,
        ),
        columns={column.name: column for column in columns},
        compare_literal=frozenset({"ward"}),
        compare_column=frozenset({"person_key"}),
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
        joins=frozenset({"insurer.members"}),
    )


def _one_row() -> PolicyTerms:
    columns = (
        Column(name="person_key", role=Role.KEY, namespace="insurer_person"),
        Column(name="plan", role=Role.DIMENSION),
        Column(name="birth_year", role=Role.QUASI),
    )
    return dataclasses.replace(
        _many_rows(),
        owner="insurer",
        dataset="insurer.members",
        unit=Unit(
            kind="person",
            namespace="insurer_person",
            column="person_key",
            one_row=True,
            max_rows=1,
        ),
        columns={column.name: column for column in columns},
        compare_literal=frozenset({"plan"}),
        joins=frozenset({"hospital.encounters"}),
    )


def _public() -> PolicyTerms:
    columns = (
        Column(name="station", role=Role.PUBLIC),
        Column(name="day", role=Role.PUBLIC),
        Column(name="rain", role=Role.PUBLIC),
    )
    return PolicyTerms(
        owner="authority",
        dataset="authority.weather",
        kinds=frozenset({"sql"}),
        receivers=frozenset({"hospital", "insurer"}),
        unit=Public(),
        columns={column.name: column for column in columns},
        joins=frozenset({"hospital.encounters"}),
    )
