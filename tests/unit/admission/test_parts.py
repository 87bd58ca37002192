# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""What a sum is made of is found, wherever in the query it was put together."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.plain_words import Words
from cleanroom.admission.typed.tree import ArgumentKind
from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import admitted, refused

E, P = "hospital.encounters", "hospital.patients"
LOS, COST = f"{E}.los", f"{E}.cost"
A = f"({E}.ward = 'a')"


def where(condition: str, value: str) -> str:
    return f"case when {condition} then {value} else null end"


def unless(condition: str, value: str) -> str:
    return f"case when {condition} then null else {value} end"


def parts_of(sql: str, **parameters: ParameterType) -> list[str]:
    """What is checked by itself of the one stage of a query, in words."""
    [stage] = admitted(sql, **parameters).stages
    words = Words(stage.base)
    checked = [item for item in stage.arguments if item.kind is ArgumentKind.COMPONENT]
    return [words.of(item.expr) for item in checked]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("los", []),
        ("-los", []),
        ("2 * los", []),
        ("los / 2", []),
        ("los::DOUBLE", []),
        ("los + 0", []),
        ("los - 0.0::DOUBLE", []),
        ("(los > 3)::INT", []),
        ("2 + 3", []),
        ("los + NULL", []),
        ("CASE WHEN los > 3 THEN 1 ELSE 0 END", []),
        ("CASE WHEN ward = 'a' THEN los END", []),
        ("CASE WHEN ward = 'a' THEN los ELSE 0 END", []),
        ("los * (ward = 'a')::INT", []),
        ("(ward = 'a')::INT * los", []),
        ("nullif(los, 3)", []),
        ("coalesce(los)", []),
        ("coalesce(los, 0)", []),
        ("2 * los + 5", [LOS]),
        ("20000 - los", [LOS]),
        ("-(los + 5)", [LOS]),
        ("(los + 5)::DOUBLE", [LOS]),
        ("(los + 5) / 2", [LOS]),
        ("(los + 5) * 2", [LOS]),
        ("los + (ward = 'a')::INT", [LOS]),
        ("los + cost", [LOS, COST]),
        ("los * cost", [LOS, COST]),
        ("los * los", [LOS]),
        ("CASE WHEN ward = 'a' THEN los ELSE 100 END", [where(A, LOS)]),
        ("CASE WHEN ward = 'a' THEN 100 ELSE los END", [unless(A, LOS)]),
        ("CASE WHEN ward = 'a' THEN cost WHEN los > 3 THEN los ELSE 0 END",
         [where(A, COST),
          f"case when {A} then null when ({LOS} > '3') then {LOS} else null end"]),
        ("coalesce(los, 70)", [where(f"{LOS} is not null", LOS)]),
        ("coalesce(los, cost, 70)",
         [where(f"{LOS} is not null", LOS),
          unless(f"{LOS} is not null", where(f"{COST} is not null", COST))]),
        ("nullif(los, 3) + 1", [unless(f"({LOS} = '3')", LOS)]),
    ],
)  # fmt: skip
def test_each_column_is_checked_where_it_is_taken(value, parts):
    assert parts_of(f"SELECT sum({value}) FROM {E}") == parts


def test_a_truth_value_is_no_part_but_hides_one():
    assert parts_of(f"SELECT sum(smoker::INT) FROM {P}") == []
    assert parts_of(f"SELECT sum(birth_year + smoker::INT) FROM {P}") == [f"{P}.birth_year"]


def test_what_an_analyst_adds_at_run_time_is_known_to_the_analyst():
    assert parts_of(f"SELECT sum(los + $p) FROM {E}", p=ParameterType.INTEGER) == [LOS]
    assert parts_of(f"SELECT sum(los * $p) FROM {E}", p=ParameterType.INTEGER) == []


OF_PARTS = ("sum", "avg", "min", "max")
PLACED = (*OF_PARTS, "lag", "lead", "first_value", "last_value")
OVER = "OVER (PARTITION BY patient_id ORDER BY los)"


@pytest.mark.parametrize(
    ("column", "rest", "parts"),
    [
        ("los + 5", "", 1),
        ("los", "", 0),
        ("los + cost", "", 2),
        *((f"{name}(los + 5)", "GROUP BY patient_id", 1) for name in OF_PARTS),
        ("count(los + 5)", "GROUP BY patient_id", 0),
        ("max(los)", "GROUP BY patient_id", 0),
        *((f"{name}(los + 5) {OVER}", "", 1) for name in PLACED),
        (f"count(los + 5) {OVER}", "", 0),
        (f"max(los) {OVER}", "", 0),
        ("los", f"UNION ALL SELECT patient_id, 100 FROM {P}", 1),
        ("los + 5", f"UNION ALL SELECT patient_id, birth_year FROM {P}", 2),
        ("los", f"UNION ALL SELECT patient_id, birth_year + 2 FROM {P}", 2),
    ],
)
def test_parts_travel_with_the_number_that_is_made_of_them(column, rest, parts):
    rows = f"SELECT patient_id, {column} AS x FROM {E} {rest}"
    # The rows of a union tell who is in how many of its inputs: their number is checked as well.
    counted = parts + ("UNION" in rest)
    assert len(parts_of(f"SELECT sum(x) FROM ({rows})")) == counted
    outer = f"SELECT patient_id, 3 * x AS x FROM ({rows})"
    assert len(parts_of(f"SELECT avg(x) FROM ({outer})")) == counted
    grouped = f"SELECT patient_id, max(x) AS x FROM ({outer}) GROUP BY patient_id"
    assert len(parts_of(f"SELECT avg(x) FROM ({grouped})")) == parts


def test_a_part_of_a_persons_total_is_the_total_of_the_part():
    rows = f"SELECT patient_id, sum(los + 5) AS x FROM {E} GROUP BY patient_id"
    assert parts_of(f"SELECT avg(x) FROM ({rows})") == [f"sum of a unit's({LOS})"]


def test_a_part_is_checked_under_the_filter_of_its_sum_and_once():
    sum_of = "sum(los + cost)"
    sql = f"SELECT {sum_of} FILTER (WHERE ward = 'a') AS a, avg(los) AS b, {sum_of} AS c FROM {E}"
    [stage] = admitted(sql).stages
    words = Words(stage.base)
    assert [(item.kind.value, words.of(item.expr)) for item in stage.arguments] == [
        ("component", where(A, LOS)),
        ("component", where(A, COST)),
        ("measure", where(A, f"({LOS} + {COST})")),
        ("measure", LOS),
        ("component", COST),
        ("measure", f"({LOS} + {COST})"),
    ]


def test_public_rows_have_no_parts_to_check():
    [stage] = admitted("SELECT sum(n * n + n) FROM ref.numbers").stages
    assert [item.kind for item in stage.arguments] == [ArgumentKind.MEASURE]


def test_too_many_columns_are_refused_before_they_are_computed():
    sums = ", ".join(f"sum(los + {n} * cost) FILTER (WHERE los > {n}) AS s{n}" for n in range(20))
    assert refused(f"SELECT {sums} FROM {E}").code == "admission.measures"


def test_equal_parts_of_a_persons_numbers_are_one():
    inner = f"SELECT patient_id, sum(los + 5) AS x, sum(los + 6) AS y FROM {E} GROUP BY patient_id"
    part = f"sum of a unit's({LOS})"
    assert parts_of(f"SELECT avg(x) AS x, avg(y) AS y FROM ({inner})") == [part]


def test_a_person_has_so_many_parts_and_no_more():
    sums = ", ".join(f"sum(CASE WHEN los > {n} THEN los + 5 END) AS s{n}" for n in range(70))
    inner = f"SELECT patient_id, {sums} FROM {E} GROUP BY patient_id"
    assert refused(f"SELECT sum(s1) FROM ({inner})").code == "admission.branches"


def test_what_several_terms_only_count_is_a_part_where_another_one_measures():
    def components(sql: str) -> int:
        [stage] = admitted(sql).stages
        return sum(item.kind is ArgumentKind.COMPONENT for item in stage.arguments)

    unit = (
        "SELECT patient_id, sum(los) AS l, count(*) FILTER (WHERE ward = 'a') AS a,"
        " count(*) FILTER (WHERE ward = 'b') AS b FROM hospital.encounters GROUP BY patient_id"
    )
    for value, found in (
        ("l + a", 2),
        ("a - b", 2),
        ("2 * l - (-(a - b))", 4),
        ("l + a - 1", 2),
        ("l + c", 4),
        ("c", 2),
    ):
        made = f"SELECT sum({value}) FROM (SELECT *, a - b AS c FROM ({unit}))"
        assert components(made) == found, value
