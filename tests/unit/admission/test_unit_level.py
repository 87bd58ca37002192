# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""Grouping by the unit's key: what is computed of a person, and what it depended on."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.expr import Literal
from cleanroom.admission.typed.tree import ArgumentKind
from tests.support.gate_admission import admitted, refused

E, P = "hospital.encounters", "hospital.patients"


def measured(aggregate: str, *, outer: str = "avg", keys: str = "patient_id"):
    """The stage that releases an aggregate of each patient's own rows."""
    [stage] = admitted(
        f"SELECT {outer}(x) FROM (SELECT {keys}, {aggregate} AS x FROM {E} GROUP BY {keys})"
    ).stages
    return stage


@pytest.mark.parametrize(
    "aggregate",
    [
        "sum(CASE WHEN dx = 'Z99' THEN 1 ELSE 0 END)",
        "sum(los) FILTER (WHERE dx = 'Z99')",
        "count(*) FILTER (WHERE dx = 'Z99')",
        "count_if(dx = 'Z99')",
        "count(nullif(dx, 'Z99'))",
    ],
)
def test_a_condition_inside_a_person_travels_out_both_ways(aggregate):
    assert len(measured(aggregate).branches) == 2


def test_a_condition_is_carried_once_however_often_it_is_used():
    sql = (
        "SELECT sum(x), sum(y) FROM (SELECT patient_id, count_if(dx = 'Z99') AS x, "
        f"sum(los) FILTER (WHERE dx = 'Z99') AS y FROM {E} GROUP BY patient_id)"
    )
    [stage] = admitted(sql).stages
    assert len(stage.branches) == 2


def test_what_has_no_condition_carries_none():
    assert not measured("sum(los)").branches


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM (SELECT DISTINCT patient_id, dx = 'Z99' AS z FROM {E})",
        f"SELECT count(*) FROM (SELECT patient_id FROM {E} GROUP BY patient_id, dx = 'Z99')",
        f"SELECT count(*) FROM (SELECT patient_id FROM {E} GROUP BY patient_id, "
        "CASE WHEN dx = 'Z99' THEN 1 ELSE 0 END)",
    ],
)
def test_a_key_that_is_a_condition_decides_how_many_rows_a_person_has(sql):
    [stage] = admitted(sql).stages
    assert len(stage.branches) == 2


def test_a_match_that_a_row_had_is_known_after_a_grouping():
    sql = (
        "SELECT count(*) FROM (SELECT p.patient_id, m.plan FROM hospital.patients p LEFT JOIN "
        "insurer.members m ON p.person_key = m.person_key GROUP BY p.patient_id, m.plan)"
    )
    [stage] = admitted(sql).stages
    assert len(stage.branches) == 2


@pytest.mark.parametrize(
    ("aggregate", "scale", "upper"),
    [
        ("max(los)", 0, 60),
        ("sum(los)", 0, 10**24),
        ("avg(los)", 13, 60),
        ("count(dx)", 0, 2**63 - 1),
        ("count(encounter_id)", 0, 2**63 - 1),
    ],
)
def test_an_aggregate_of_a_person_has_bounds_and_digits(aggregate, scale, upper):
    [argument] = measured(aggregate).arguments
    assert (argument.grid.scale, argument.grid.upper) == (scale, upper)


def test_a_bent_value_stays_bent_and_a_count_of_bent_values_is_a_count():
    sql = f"SELECT sum(x) FROM (SELECT patient_id, max(floor(los / 2)) AS x FROM {E} GROUP BY 1)"
    assert refused(sql).code == "admission.linear"
    assert measured("count(floor(los / 2))").arguments


def test_a_date_of_a_person_is_a_group_and_no_number():
    sql = (
        "SELECT x, count(*) FROM (SELECT patient_id, min(admit_date) AS x, bool_or(los > 9) AS y "
        f"FROM {E} GROUP BY patient_id) WHERE y GROUP BY x"
    )
    [stage] = admitted(sql).stages
    assert stage.keys[0].type == "date"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (f"SELECT DISTINCT region FROM {P}", "distinct"),
        (f"SELECT count(*) FROM (SELECT DISTINCT encounter_id FROM {E})", "distinct"),
        ("SELECT DISTINCT chapter FROM ref.dx_codes", "distinct"),
        (f"SELECT count(*) FROM (SELECT DISTINCT patient_id, d.label FROM {E} e "
         "JOIN ref.dx_codes d ON e.dx = d.dx)", "look-up"),
        (f"SELECT avg(x) FROM (SELECT patient_id, count_if(d.label = 'x') AS x FROM {E} e "
         "JOIN ref.dx_codes d ON e.dx = d.dx GROUP BY patient_id)", "look-up"),
        (f"SELECT avg(x) FROM (SELECT patient_id, max(encounter_id) AS x FROM {E} GROUP BY 1)",
         "identifier"),
    ],
)  # fmt: skip
def test_what_is_not_of_one_person_is_refused_by_its_rule(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


def test_conditions_that_travel_are_few():
    filters = ", ".join(
        f"count(*) FILTER (WHERE los > {number}) AS x{number}" for number in range(65)
    )
    sql = f"SELECT sum(x1) FROM (SELECT patient_id, {filters} FROM {E} GROUP BY patient_id)"
    assert refused(sql).code == "admission.branches"


DIVIDED = f"SELECT patient_id, ward, count(*) AS n FROM {E} GROUP BY patient_id, ward"


@pytest.mark.parametrize(
    ("rows", "divided"),
    [
        (f"SELECT patient_id, los AS n FROM {E}", False),
        (f"SELECT patient_id, count(*) AS n FROM {E} GROUP BY patient_id", False),
        (f"SELECT DISTINCT patient_id, 1 AS n FROM {E}", True),
        (DIVIDED, True),
        (f"SELECT patient_id, n FROM ({DIVIDED})", True),
        (f"SELECT patient_id, sum(n) AS n FROM ({DIVIDED}) GROUP BY patient_id", False),
        (f"SELECT d.n FROM ({DIVIDED}) d JOIN {P} p ON d.patient_id = p.patient_id", True),
        (f"SELECT d.n FROM {P} p LEFT JOIN ({DIVIDED}) d ON d.patient_id = p.patient_id", True),
        (f"SELECT patient_id, n FROM ({DIVIDED}) UNION ALL SELECT patient_id, 1 FROM {P}", True),
        (
            f"SELECT patient_id, 1 AS n FROM {P} WHERE patient_id IN (SELECT patient_id FROM "
            f"({DIVIDED}))",
            False,
        ),
    ],
)
def test_rows_that_values_divide_are_checked_by_their_number(rows, divided):
    [stage] = admitted(f"SELECT sum(n) FROM ({rows})").stages
    parts = [item.expr for item in stage.arguments if item.kind is ArgumentKind.COMPONENT]
    assert (Literal(value=1, type="integer") in parts) is divided


def test_a_number_of_rows_is_checked_where_nothing_is_summed():
    [stage] = admitted(f"SELECT ward, count(*) FROM ({DIVIDED}) GROUP BY ward").stages
    assert [item.kind for item in stage.arguments] == [ArgumentKind.COMPONENT]
