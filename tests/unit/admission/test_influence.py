# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What can change a contribution is a branch, and nobody is weighed by another owner's column."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.plain_words import Words
from cleanroom.admission.typed.tree import ArgumentKind
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import JOIN, admitted, refused
from tests.support.gate_policies import corpus_catalog

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


@pytest.mark.parametrize(
    ("key", "branches"),
    [
        ("least(los, 5)", {f"({LOS} <= '5')"}),
        ("least(los, 5, 9)", {f"({LOS} <= '5')", f"(least({LOS}, '5') <= '9')"}),
        ("greatest(least(los, 5), 4)", {f"({LOS} <= '5')", f"(least({LOS}, '5') <= '4')"}),
        ("least(los, los)", {f"({LOS} <= {LOS})"}),
        ("least(4, 5)", set()),
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM (SELECT patient_id, {key} AS g FROM {E} GROUP BY patient_id, g)",
        "SELECT count(*) FROM (SELECT DISTINCT patient_id, {key} AS g FROM {E})",
        "SELECT sum(n) FROM (SELECT count(DISTINCT {key}) AS n FROM {E} GROUP BY patient_id)",
    ],
)
def test_the_lesser_of_two_values_is_a_case(sql, key, branches):
    assert branches_of(sql.format(key=key, E=E)) == {
        f"bool_or of a unit's({text})" for branch in branches for text in (branch, f"not({branch})")
    }


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
    ],
)
def test_a_measure_is_clamped_to_what_its_columns_declare(value, lower, upper):
    argument = admitted(f"SELECT sum({value}) FROM {E}").stages[0].arguments[-1]
    low, high = argument.grid.lower, argument.grid.upper
    assert low >= Decimal(lower)
    assert high <= Decimal(upper)
    if abs(lower) < 1000:
        assert (low, high) == (lower, upper)


def test_a_parameter_has_no_bounds_but_those_of_its_type():
    kind = ParameterType.INTEGER
    made = admitted(f"SELECT sum(los + $p) FROM {E}", p=kind)
    grid = made.stages[0].arguments[-1].grid
    assert (grid.lower, grid.upper) == (-(2**63), 2**63 + 59)
    assert made.parameters == ("p",)


UNIT = (
    "(SELECT patient_id, count(*) AS visits, sum(2) AS twos, max(los) AS l "
    f"FROM {E} GROUP BY patient_id)"
)


@pytest.mark.parametrize(
    ("value", "rows", "weight"),
    [
        ("1", E, 1), ("-1000", E, 1000), ("0.25", E, Fraction(1, 4)), ("(ward = 'a')::INT", E, 1),
        ("CASE WHEN ward = 'a' THEN 1 WHEN los > 3 THEN 7 ELSE 0 END", E, 7),
        ("3 * (ward = 'a')::INT + 2", E, 3), ("(ward = 'a')::INT / 8", E, Fraction(1, 8)),
        ("coalesce((ward = 'a')::INT, 0)", E, 1), ("0 * los + 1", E, 1), ("los", E, None),
        ("los + 1", E, None), ("CASE WHEN los > 3 THEN los ELSE 1 END", E, None),
        ("visits", UNIT, 1), ("5 * visits", UNIT, 5), ("twos", UNIT, 2), ("l", UNIT, None),
        ("x", f"(SELECT patient_id, 9 AS x FROM {E})", 9),
        ("x", f"(SELECT patient_id, 3 AS x FROM {E} UNION ALL SELECT patient_id, 2 FROM {E})", 3),
    ],
)  # fmt: skip
def test_a_number_that_only_counts_says_how_much_a_row_counts_for(value, rows, weight):
    [stage] = admitted(f"SELECT sum({value}) FROM {rows}").stages
    measured = [item for item in stage.arguments if item.kind is ArgumentKind.MEASURE]
    assert [item.weight for item in measured] == [weight]


@pytest.mark.parametrize("value", ["$p", "$p * (ward = 'a')::INT", "least(2, 3)", "floor(2.5) + 1"])
def test_no_count_is_multiplied_by_what_is_known_too_late(value):
    declared = {"p": ParameterType.INTEGER} if "$p" in value else {}
    error = refused(f"SELECT sum({value}) FROM {E}", **declared)
    assert error.code == "admission.weight"
    # Over public rows nothing needs to be rounded.
    public = f"SELECT sum({value.replace('ward', 'chapter')}) FROM ref.dx_codes"
    assert admitted(public, **declared).stages


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


COUNTED = [
    ("count(*)", True),
    ("sum(1)", True),
    ("count(los)", True),
    ("avg(los)", True),
    ("max(los)", True),
    ("sum(CASE WHEN ward = 'a' THEN 1 ELSE 0 END)", True),
    ("max(1)", False),
]


@pytest.mark.parametrize(("aggregate", "weighs"), COUNTED)
@pytest.mark.parametrize("form", ["group", "window", "computed", "union", "inner"])
def test_how_many_rows_a_person_has_is_a_number_of_their_owner(aggregate, weighs, form):
    window = f"SELECT patient_id, {aggregate} OVER (PARTITION BY patient_id) AS w FROM {E}"
    group = f"SELECT patient_id, {aggregate} AS w FROM {E} GROUP BY patient_id"
    counted = {
        "group": group,
        "window": window,
        "computed": f"SELECT patient_id, 2 * w + 1 AS w FROM ({group})",
        "union": f"{group} UNION ALL SELECT patient_id, 1 FROM {E}",
        "inner": f"SELECT patient_id, max(w) AS w FROM ({group}) GROUP BY patient_id",
    }[form]
    sql = (
        f"SELECT sum(m.premium * w) FROM ({counted}) e JOIN {P} p ON e.patient_id = p.patient_id "
        "JOIN insurer.members m ON p.person_key = m.person_key"
    )
    if weighs:
        assert refused(sql).code == "admission.product"
    else:
        assert admitted(sql).stages
    both = corpus_catalog(functions="product_across_owners")
    assert admit(sql.encode(), catalog=both, parameters={}).stages


def test_a_look_up_counts_nobodys_rows():
    sql = (
        "SELECT sum(w * los) FROM (SELECT e.patient_id, max(los) AS los, count(*) AS w FROM "
        f"{E} e JOIN ref.dx_codes d ON e.dx = d.dx GROUP BY e.patient_id)"
    )
    assert admitted(sql).stages


def test_both_owners_must_allow_a_weight_that_only_one_has_a_column_in():
    granted = corpus_catalog(functions="product_across_owners").datasets
    sql = (
        f"SELECT sum(m.premium * w) FROM (SELECT patient_id, count(*) AS w FROM {E} GROUP BY "
        f"patient_id) e JOIN {P} p ON e.patient_id = p.patient_id "
        "JOIN insurer.members m ON p.person_key = m.person_key"
    )
    mixed = {**granted, E: corpus_catalog().datasets[E]}
    assert refused(sql, Catalog(datasets=mixed, links=frozenset())).code == "admission.product"


def test_a_constant_of_a_subquery_is_nobodys_column():
    assert admitted(f"SELECT sum(x * los) FROM (SELECT patient_id, los, 5 AS x FROM {E})").stages


@pytest.mark.parametrize("count", [6, 7])
def test_conditions_that_are_added_up_meet_in_as_many_ways_as_there_may_be(count):
    years = [f"(birth_year > {1950 + number})::INT" for number in range(count)]
    sql = f"SELECT sum({' + '.join(years)}) FROM {P}"
    if count == 6:
        assert len(admitted(sql).stages[0].branches) == 63
    else:
        assert refused(sql).code == "admission.branches"
