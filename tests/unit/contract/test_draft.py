# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.contract.contract import Link, parse_contract
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.coverage import require_coverage
from cleanroom.contract.draft import (
    GREATEST_BOUND,
    ColumnSketch,
    DraftDataset,
    draft_contract,
    draft_policy,
    widened,
)
from cleanroom.contract.lint import Severity, lint_contract, lint_policy
from cleanroom.contract.policy import Role, Unit, parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.types import ColumnType
from cleanroom.errors import RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.documents import terms_of
from tests.support.room_documents import NOW, RUNNER, build_room

UNIT = Unit(
    kind="person", namespace="hospital_pid", column="patient_id", one_row=False, max_rows=100
)
COLUMNS = tuple(
    (name, ColumnType(kind))
    for name, kind in (
        ("patient_id", "string"),
        ("doctor_id", "integer"),
        ("ward", "string"),
        ("cost", "decimal(12,2)"),
        ("note", "string"),
        ("unseen", "integer"),
    )
)
SKETCHES = {
    "patient_id": ColumnSketch(few_values=True),
    "doctor_id": ColumnSketch(few_values=False, lower=Fraction(1), upper=Fraction(900)),
    "ward": ColumnSketch(few_values=True),
    "cost": ColumnSketch(few_values=False, lower=Fraction(3), upper=Fraction(12345)),
    "note": ColumnSketch(few_values=False),
}


def draft(columns=COLUMNS, **changes):
    options = {
        "dataset": "hospital.encounters",
        "columns": columns,
        "unit": UNIT,
        "sketches": SKETCHES,
        "receivers": {"insurer"},
        "joins": {"insurer.members", "hospital.encounters"},
    }
    return draft_policy(**(options | changes))


def test_a_draft_is_a_valid_policy_for_its_columns():
    terms = draft()
    policy = parse_policy(render_policy(terms))
    assert terms_of(policy) == terms_of(terms)
    require_coverage(policy, COLUMNS, what="policy")
    assert lint_policy(policy) == ()


def test_a_draft_is_conservative():
    roles = {name: column.role for name, column in draft().columns.items()}
    assert roles == {
        "patient_id": Role.KEY,
        "doctor_id": Role.BLOCKED,
        "ward": Role.DIMENSION,
        "cost": Role.MEASURE,
        "note": Role.BLOCKED,
        "unseen": Role.BLOCKED,
    }
    assert draft().threshold == 10
    assert draft().p_percent == 10
    assert draft().round_counts == 5
    assert draft().compare_literal == {"ward"}
    assert draft().joins == {"insurer.members"}


def test_without_a_sketch_everything_but_the_unit_is_blocked():
    roles = [column.role for column in draft(sketches={}).columns.values()]
    assert roles == [Role.KEY, *[Role.BLOCKED] * 5]


def test_drafted_bounds_tell_no_ones_value():
    cost = draft().columns["cost"]
    assert (cost.lower, cost.upper) == (0, 100_000)


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_beyond_what_a_bound_can_say_are_blocked(sign):
    def role(greatest):
        ends = sorted((Fraction(0), Fraction(sign * greatest)))
        sketch = ColumnSketch(few_values=False, lower=ends[0], upper=ends[1])
        terms = draft(sketches={**SKETCHES, "cost": sketch})
        assert terms_of(parse_policy(render_policy(terms))) == terms_of(terms)
        return terms.columns["cost"].role

    assert (role(GREATEST_BOUND), role(GREATEST_BOUND + 1)) == (Role.MEASURE, Role.BLOCKED)


@given(st.fractions(-(10**9), 10**9), st.fractions(-(10**9), 10**9))
def test_widened_bounds_contain_what_was_seen_and_are_powers_of_ten(one, two):
    least, greatest = sorted((one, two))
    lower, upper = widened(least, greatest)
    assert lower <= least
    assert greatest <= upper
    assert lower < upper
    for bound in (abs(lower), upper):
        assert bound == 0 or str(bound).strip("0") == "1"


def test_a_unit_that_is_no_column_is_refused_by_name():
    with pytest.raises(RefusedError, match="^policy of hospital.encounters: unit.column: found 'p"):
        draft(COLUMNS[1:])


def draft_of_contract(receivers=("insurer",)):
    agreement = build_room().agreement()
    auditor = next(iter(agreement.parties.values()))
    datasets = [
        DraftDataset(lineage=dataset.lineage, schema=dataset.schema, policy=dataset.policy)
        for dataset in agreement.contract.datasets
    ]
    assert auditor
    return draft_contract(
        name="a-draft",
        parties=list(agreement.parties.values()),
        datasets=datasets,
        links=[Link(left="hospital.patients.person_key", right="insurer.members.person_key")],
        receivers=receivers,
        platforms=["simulated"],
        measurements=[RUNNER],
        at=NOW,
    )


def test_a_drafted_contract_is_valid_and_could_run():
    terms = draft_of_contract()
    contract = parse_contract(render_contract(terms))
    assert terms_of(contract) == terms_of(terms)
    assert terms.not_before <= NOW < terms.expires
    policies = build_room().agreement().policies
    findings = lint_contract(contract, policies=policies, at=NOW)
    assert Severity.ERROR not in {finding.severity for finding in findings}


def test_a_drafted_contract_gives_roles_to_everybody():
    roles = {party.name: party.roles for party in draft_of_contract().parties}
    assert roles == {"hospital": {"owner"}, "insurer": {"owner", "receiver", "analyst"}}


def test_a_party_that_neither_owns_nor_receives_is_an_auditor():
    agreement = build_room().agreement()
    dataset = DraftDataset(
        lineage="hospital.patients", schema=Digest.of(b"s"), policy=Digest.of(b"p")
    )
    terms = draft_contract(
        name="a-draft",
        parties=list(agreement.parties.values()),
        datasets=[dataset],
        links=[],
        receivers=["hospital"],
        platforms=[],
        measurements=[],
        at=NOW,
    )
    assert {party.name: party.roles for party in terms.parties}["insurer"] == {"auditor"}
