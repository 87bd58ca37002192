# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.contract import ContractTerms, SandboxLevel, Waived
from cleanroom.contract.draft import NO_PURPOSE, NO_PURPOSE_CODE
from cleanroom.contract.lint import Finding, Severity, lint_contract, lint_policy
from tests.support.attested_machines import AZURE_CLAUSE
from tests.support.room_documents import NOW, build_room
from tests.unit.contract.test_policy import PUBLIC

WAIVED = Waived(reason="a trial")
AGREEMENT = build_room().agreement()
POLICIES = AGREEMENT.policies
POLICY = POLICIES["hospital.patients"]
GOOD = dataclasses.replace(
    build_room().contract_terms,
    sandbox=SandboxLevel.FULL,
    attestation=dataclasses.replace(
        build_room().contract_terms.attestation, platforms=frozenset({"snp"})
    ),
)


def lint(terms: ContractTerms = GOOD, *, policies=POLICIES, at=NOW) -> tuple[Finding, ...]:
    return lint_contract(terms, policies=policies, at=at)


def profile(**changes) -> dict:
    return {"attestation": dataclasses.replace(GOOD.attestation, **changes)}


def test_nothing_is_found_in_a_good_contract():
    assert lint() == ()
    assert lint(policies={}) == ()


@pytest.mark.parametrize(
    ("change", "place", "severity"),
    [
        (profile(platforms=frozenset()), "attestation.platforms", Severity.ERROR),
        (profile(measurements=frozenset()), "attestation.measurements", Severity.ERROR),
        ({"submitters": frozenset()}, "submitters", Severity.ERROR),
        ({"receivers": frozenset()}, "receivers", Severity.ERROR),
        ({"expires": NOW}, "expires", Severity.ERROR),
        ({"purpose": NO_PURPOSE}, "purpose", Severity.WARNING),
        ({"purpose_code": NO_PURPOSE_CODE}, "purpose_code", Severity.WARNING),
        (profile(platforms=frozenset({"simulated"})), "attestation.platforms", Severity.WARNING),
        (profile(platforms=frozenset({"sev-snp"})), "attestation.platforms", Severity.ERROR),
        (
            profile(clauses=(dataclasses.replace(AZURE_CLAUSE, no_console=WAIVED),)),
            "attestation",
            Severity.WARNING,
        ),
        (profile(debug=Waived(reason="a trial")), "attestation.debug", Severity.WARNING),
        ({"sandbox": SandboxLevel.PROCESS}, "sandbox", Severity.WARNING),
    ],
)
def test_each_weak_clause_of_a_contract_is_found_by_name(change, place, severity):
    findings = lint(dataclasses.replace(GOOD, **change))
    assert [(item.place, item.severity) for item in findings] == [
        (f"contract.toml: {place}", severity)
    ]
    assert findings[0].text
    assert findings[0].fix


def test_a_contract_without_datasets_is_found():
    findings = lint(dataclasses.replace(GOOD, datasets=(), links=()))
    assert [item.place for item in findings] == [
        "contract.toml: datasets",
        "contract.toml: parties.hospital.roles",
        "contract.toml: parties.insurer.roles",
    ]


def test_errors_come_before_warnings():
    findings = lint(dataclasses.replace(GOOD, sandbox=SandboxLevel.PROCESS, expires=NOW))
    assert [item.severity for item in findings] == [Severity.ERROR, Severity.WARNING]


def test_a_policy_that_excludes_every_receiver_is_found():
    policies = {
        **POLICIES,
        "hospital.patients": dataclasses.replace(POLICY, receivers=frozenset({"hospital"})),
    }
    assert [item.place for item in lint(policies=policies)] == [
        "datasets/hospital.patients/policy.toml: receivers"
    ]


@pytest.mark.parametrize(
    "change", [{"joins": frozenset()}, {"compare_column": frozenset({"patient_id"})}]
)
def test_a_link_that_a_policy_does_not_allow_is_found(change):
    policies = {**POLICIES, "hospital.patients": dataclasses.replace(POLICY, **change)}
    assert "contract.toml: links[1]" in [item.place for item in lint(policies=policies)]


def test_a_public_side_of_a_link_compares_every_column():
    public = dataclasses.replace(
        POLICY, unit=PUBLIC.unit, compare_column=frozenset(), joins=POLICY.joins
    )
    assert lint(policies={**POLICIES, "hospital.patients": public}) == ()


@pytest.mark.parametrize(
    ("change", "place", "severity"),
    [
        ({"kinds": frozenset()}, "kinds", Severity.ERROR),
        ({"receivers": frozenset()}, "receivers", Severity.ERROR),
        ({"releases_total": 0, "releases_per_receiver": 0}, "releases", Severity.ERROR),
        ({"threshold": 5, "difference": 5}, "threshold.units", Severity.WARNING),
        ({"difference": 9}, "difference.units", Severity.WARNING),
        ({"zeros": "release"}, "zeros", Severity.WARNING),
        ({"releases_per_receiver": 201}, "releases.per_receiver", Severity.WARNING),
        ({"compare_column": frozenset()}, "compare.column", Severity.WARNING),
    ],
)
def test_each_weak_clause_of_a_policy_is_found_by_name(change, place, severity):
    findings = lint_policy(dataclasses.replace(POLICY, **change))
    assert [(item.place, item.severity) for item in findings] == [
        (f"datasets/hospital.patients/policy.toml: {place}", severity)
    ]


def test_a_policy_without_joins_needs_no_comparable_column():
    alone = dataclasses.replace(POLICY, joins=frozenset(), compare_column=frozenset())
    assert lint_policy(alone) == ()


def test_a_public_policy_has_no_rules_to_be_weak():
    assert lint_policy(PUBLIC) == ()
