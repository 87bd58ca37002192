# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.contract import Link
from cleanroom.contract.coverage import require_coverage, require_links
from cleanroom.contract.policy import Role
from cleanroom.contract.types import ColumnType
from cleanroom.errors import RefusedError
from tests.support.room_documents import build_room, types_of

POLICY = build_room().agreement().policies["hospital.encounters"]
POLICIES = build_room().agreement().policies
COLUMNS = types_of("hospital.encounters")


def test_exactly_the_columns_of_the_dataset_are_covered():
    require_coverage(POLICY, COLUMNS, what="policy")


def test_a_column_without_a_role_is_refused_by_name():
    with pytest.raises(RefusedError, match="^policy: columns: found no role for 'extra'"):
        require_coverage(POLICY, (*COLUMNS, ("extra", ColumnType("string"))), what="policy")


def test_a_role_without_a_column_is_refused_by_name():
    with pytest.raises(RefusedError, match="^policy: columns: found a role for 'encounter_id'"):
        require_coverage(POLICY, COLUMNS[1:], what="policy")


@pytest.mark.parametrize("kind", ["string", "date", "boolean", "timestamp"])
def test_a_measure_must_be_a_number(kind):
    with pytest.raises(RefusedError, match=f"^policy: columns.cost: found type {kind} with role m"):
        require_coverage(POLICY, (*COLUMNS[:-1], ("cost", ColumnType(kind))), what="policy")


@pytest.mark.parametrize("kind", ["integer", "double", "decimal(38,10)"])
def test_any_number_may_be_a_measure(kind):
    require_coverage(POLICY, (*COLUMNS[:-1], ("cost", ColumnType(kind))), what="policy")


@pytest.mark.parametrize("kind", ["double", "boolean"])
@pytest.mark.parametrize("name", ["encounter_id", "patient_id"])
def test_an_identifier_must_be_exact(name, kind):
    columns = {**dict(COLUMNS), name: ColumnType(kind)}
    with pytest.raises(RefusedError, match=f"^policy: columns.{name}: found type {kind}"):
        require_coverage(POLICY, columns.items(), what="policy")


def test_links_join_keys():
    require_links(build_room().contract_terms.links, POLICIES)


@pytest.mark.parametrize("column", ["sex", "surname", "nothing"])
def test_a_link_of_anything_but_keys_is_refused_by_name(column):
    link = Link(left="insurer.members.person_key", right=f"hospital.patients.{column}")
    with pytest.raises(RefusedError, match=rf"links\[1\]: found 'hospital.patients.{column}'"):
        require_links((link,), POLICIES)


def test_agreeing_checks_coverage_and_links():
    columns = dict(build_room().policy_terms["hospital.patients"].columns)
    columns["sex"] = dataclasses.replace(columns["sex"], name="gender")
    renamed = {("gender" if name == "sex" else name): item for name, item in columns.items()}
    literal = frozenset({"gender", "birth_year"})
    room = build_room(
        policies={"hospital.patients": {"columns": renamed, "compare_literal": literal}}
    )
    with pytest.raises(RefusedError, match="hospital.patients/policy.toml: columns: found no role"):
        room.agreement()
    link = Link(left="hospital.patients.sex", right="insurer.members.plan")
    with pytest.raises(RefusedError, match="^contract.toml: links"):
        build_room(contract={"links": (link,)}).agreement()


def test_a_blocked_column_still_needs_its_role():
    assert POLICIES["hospital.patients"].columns["surname"].role is Role.BLOCKED
