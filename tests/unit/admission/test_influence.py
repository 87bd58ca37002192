# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What can change a contribution is a branch, and nobody is weighed by another owner's column."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cleanroom.admission.plain_words import Words
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import JOIN, admitted, refused

E, P = "hospital.encounters", "hospital.patients"
LOS, COST = f"{E}.los", f"{E}.cost"
SMOKER, OLD = f"{P}.smoker", f"({P}.birth_year < '1950')"


def branches_of(sql: str, **parameters: ParameterType) -> set[str]:
    """Every branch of the one stage of a query, in words."""
    [stage] = admitted(sql, **parameters).stages
    return {Words(stage.base).of(branch) for branch in stage.branches}


@pytest.mark.parametrize(
    ("value", "branches"),
    [
        ("los", set()),
        ("-los", set()),
        ("los * 2 + cost", set()),
        ("los * cost", set()),
        ("los / 2", set()),
        ("coalesce(los, 0)", {f"{LOS} is not null", f"{LOS} is null"}),
        (
            "coalesce(los, cost, 0)",
            {
                f"{LOS} is not null",
                f"({LOS} is null and {COST} is not null)",
                f"({LOS} is null and {COST} is null)",
            },
        ),
        ("ifnull(los, 7)", {f"{LOS} is not null", f"{LOS} is null"}),
        ("nullif(los, 0)", {f"({LOS} = '0')"}),
        ("(los > 3)::INT", {f"({LOS} > '3')"}),
        ("TRUE::INT * los", set()),
        ("cost * (1 = 1)::INT", set()),
        (
            "(los > 3)::INT * (cost > 5)::INT",
            {f"({LOS} > '3')", f"({COST} > '5')", f"({LOS} > '3' and {COST} > '5')"},
        ),
    ],
)
def test_a_value_brings_its_branches(value, branches):
    found = branches_of(f"SELECT sum({value}) FROM {E}")
    assert {words.replace("((", "(").replace("))", ")").replace(") and (", " and ")
            for words in found} == branches  # fmt: skip


@pytest.mark.parametrize(
    ("value", "branches"),
    [
        ("if(smoker, 1, 0)", {SMOKER}),
        ("CASE WHEN smoker THEN 1 END", {SMOKER}),
        ("CASE WHEN smoker THEN NULL ELSE 2.5 END", {SMOKER}),
        (
            "CASE WHEN smoker THEN 1 WHEN birth_year < 1950 THEN 2 ELSE 3 END",
            {SMOKER, f"(not({SMOKER}) and {OLD})", f"(not({SMOKER}) and not({OLD}))"},
        ),
        (
            "CASE WHEN smoker THEN CASE WHEN birth_year < 1950 THEN 2 ELSE 3 END ELSE 4 END",
            {SMOKER, f"({SMOKER} and {OLD})", f"({SMOKER} and not({OLD}))"},
        ),
    ],
)
def test_of_nested_conditions_the_whole_path_is_a_branch(value, branches):
    found = branches_of(f"SELECT sum({value}) FROM {P}")
    assert found == branches


def test_a_branch_travels_with_its_value_through_a_subquery():
    inner = "CASE WHEN smoker THEN 5 ELSE 0 END AS x, (birth_year < 1950)::INT AS y"
    found = branches_of(f"SELECT sum(x * y) FROM (SELECT patient_id, {inner} FROM {P})")
    assert found == {SMOKER, OLD, f"({SMOKER} and {OLD})"}


def test_a_condition_inside_a_filter_is_counted_with_the_filter():
    sql = f"SELECT count_if(smoker) FILTER (WHERE birth_year < 1950) FROM {P}"
    nested = {OLD, f"({OLD} and {SMOKER})", f"({OLD} and not({SMOKER}))"}
    assert branches_of(sql) == nested
    case = "CASE WHEN smoker THEN 1 END"
    assert branches_of(f"SELECT sum({case}) FILTER (WHERE birth_year < 1950) FROM {P}") == nested
    assert branches_of(f"SELECT count_if(smoker) FROM {P}") == {SMOKER}
    assert branches_of(f"SELECT count(*) FILTER (WHERE smoker) FROM {P}") == {SMOKER}


def test_a_value_that_is_always_null_keeps_its_branch():
    inner = "CASE WHEN smoker THEN NULL END AS x"
    assert branches_of(f"SELECT count(x) FROM (SELECT patient_id, {inner} FROM {P})") == {SMOKER}


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [
        ("los", 0, 60),
        ("-los", -60, 0),
        ("los + 5", 5, 65),
        ("5 - los", -55, 5),
        ("los * 2", 0, 120),
        ("coalesce(los, 70)", 0, 70),
        ("nullif(los, 0)", 0, 60),
        ("CASE WHEN ward = 'a' THEN los ELSE NULL END", 0, 60),
        ("(los > 3)::INT", 0, 1),
        ("TRUE::INT", 0, 1),
        ("los::DOUBLE", 0, 60),
        ("least(2, 3)", -(10**24) + 1, 10**24 - 1),
    ],
)
def test_a_measure_is_clamped_to_what_its_columns_declare(value, lower, upper):
    [argument] = admitted(f"SELECT sum({value}) FROM {E}").stages[0].arguments
    low, high = argument.grid.lower, argument.grid.upper
    assert low >= Decimal(lower)
    assert high <= Decimal(upper)
    if abs(lower) < 1000:
        assert (low, high) == (lower, upper)


def test_a_parameter_has_no_bounds_but_those_of_its_type():
    kind = ParameterType.INTEGER
    [argument] = admitted(f"SELECT sum($p) FROM {E}", p=kind).stages[0].arguments
    assert (argument.grid.lower, argument.grid.upper) == (-(2**63), 2**63 - 1)
    assert admitted(f"SELECT sum(los * $p) FROM {E}", p=kind).parameters == ("p",)


@pytest.mark.parametrize(
    "value",
    ["p.birth_year * m.premium", "p.birth_year * (m.credit_score > 500)::INT",
     "p.birth_year * CASE WHEN p.smoker THEN m.premium ELSE 1 END",
     "p.birth_year * (m.premium::DOUBLE + 1)"],
)  # fmt: skip
def test_no_owner_weighs_the_people_of_another(value):
    assert refused(f"SELECT sum({value}) FROM {JOIN}").code == "admission.product"


@pytest.mark.parametrize("value", ["p.birth_year * p.birth_year", "2 * m.premium"])
def test_an_owners_columns_and_constants_may_be_multiplied(value):
    assert admitted(f"SELECT sum({value}) FROM {JOIN}").stages


def test_a_constant_of_a_subquery_is_nobodys_column():
    assert admitted(f"SELECT sum(x * los) FROM (SELECT patient_id, los, 5 AS x FROM {E})").stages
