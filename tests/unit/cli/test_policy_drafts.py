# SPDX-License-Identifier: Apache-2.0
"""A suggested policy parses, protects, and holds no value of anybody."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.cli.sketching import PolicyWishes, suggest_policy
from cleanroom.contract.policy import Role, Unit, parse_policy
from cleanroom.errors import MalformedError
from tests.support.example_data import EXAMPLES

STAYS = EXAMPLES / "health" / "data" / "stays.csv"


def wishes(*, dataset: str = "hospital.stays", unit: str = "") -> PolicyWishes:
    return PolicyWishes(dataset=dataset, unit=unit, namespace="", receivers=("hospital",), joins=())


def test_a_draft_finds_unit_groups_and_measures() -> None:
    policy = parse_policy(suggest_policy(STAYS, wishes()))
    assert isinstance(policy.unit, Unit)
    assert (policy.unit.column, policy.unit.one_row) == ("email", False)
    roles = {name: column.role for name, column in policy.columns.items()}
    assert roles["email"] is Role.KEY
    assert roles["cost"] is Role.MEASURE
    assert roles["ward"] is Role.DIMENSION
    assert roles["stay_id"] is Role.BLOCKED


def test_bounds_of_a_draft_are_powers_of_ten_and_nobodys_value() -> None:
    policy = parse_policy(suggest_policy(STAYS, wishes()))
    cost = policy.columns["cost"]
    assert (cost.lower, cost.upper) == (0, 10_000)
    assert isinstance(policy.unit, Unit)
    assert policy.unit.max_rows == 100


def test_a_draft_lets_out_nothing_about_fewer_than_ten() -> None:
    policy = parse_policy(suggest_policy(STAYS, wishes()))
    assert (policy.threshold, policy.difference, policy.p_percent, policy.round_counts) == (
        10,
        10,
        10,
        5,
    )


def test_a_table_with_one_row_a_unit_says_so() -> None:
    members = EXAMPLES / "health" / "data" / "members.csv"
    policy = parse_policy(suggest_policy(members, wishes(unit="email")))
    assert isinstance(policy.unit, Unit)
    assert (policy.unit.one_row, policy.unit.max_rows) == (True, 1)


def test_a_table_without_an_identifier_needs_one_named(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text("station,rain\n" + "a,1.5\n" * 20)
    with pytest.raises(click.UsageError, match="--unit"):
        suggest_policy(file, wishes())


def test_nested_columns_are_drafted_as_the_strings_that_sealing_makes_of_them(
    tmp_path: Path,
) -> None:
    file = tmp_path / "stays.parquet"
    table = pa.table({"email": ["a@b.example", "c@d.example"], "tags": [["x", None], ["y"]]})
    pq.write_table(table, file)
    said: list[str] = []
    policy = parse_policy(suggest_policy(file, wishes(unit="email"), remark=said.append))
    assert set(policy.columns) == {"email", "tags"}
    assert "column tags is sealed as a string: data seal --type tags=string" in said


@pytest.mark.parametrize(
    ("wish", "clause"),
    [({"namespace": "Per son"}, "unit.namespace"), ({"joins": ("members",)}, "joins.datasets")],
)
def test_a_wish_of_another_form_is_refused_and_drafts_nothing(
    wish: dict[str, Any], clause: str
) -> None:
    with pytest.raises(MalformedError, match=rf"^draft: {clause}"):
        suggest_policy(STAYS, replace(wishes(), **wish))


def test_a_draft_holds_no_value_of_the_table() -> None:
    draft = suggest_policy(STAYS, wishes()).decode()
    assert "example.org" not in draft
    assert "cardiology" not in draft


@pytest.mark.parametrize(("greatest", "role"), [(10**17, Role.MEASURE), (10**17 + 1, Role.BLOCKED)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_beyond_what_a_bound_can_say_is_blocked(
    tmp_path: Path, greatest: int, role: Role, sign: int
) -> None:
    file = tmp_path / "sums.parquet"
    numbers = [Decimal(sign * (greatest - n)) for n in range(200)]
    table = {"email": [f"{n}@b.example" for n in range(200)]}
    pq.write_table(pa.table({**table, "amount": pa.array(numbers, pa.decimal128(38, 0))}), file)
    policy = parse_policy(suggest_policy(file, wishes()))
    assert policy.columns["amount"].role is role


def test_a_column_of_another_form_is_told_by_its_place(tmp_path: Path) -> None:
    file = tmp_path / "names.parquet"
    names = ["email", "a", "b", "c", "d", "e", "Wrong", "f"]
    pq.write_table(pa.table({name: ["x"] for name in names}), file)
    with pytest.raises(MalformedError, match=r"names\.parquet: the name of column 7 "):
        suggest_policy(file, wishes())


def test_the_owner_hears_why_a_column_is_blocked_and_what_empty_cells_lead_to(
    tmp_path: Path,
) -> None:
    file = tmp_path / "people.csv"
    rows = [f"p{n},{'' if n == 7 else n},{n % 90}.5,name {n}" for n in range(200)]
    file.write_text("\n".join(["person_id,age,height,name", *rows]) + "\n")
    heard: list[str] = []
    policy = parse_policy(suggest_policy(file, wishes(), remark=heard.append))
    assert policy.columns["age"].role is policy.columns["height"].role is Role.MEASURE
    assert [sentence.partition(":")[0] for sentence in heard] == ["age", "name"]
    assert "splits" in heard[0]
    assert "WHERE age IS NOT NULL" in heard[0]
    assert "fewer than 10" in heard[0]
    assert "blocked" in heard[1]
