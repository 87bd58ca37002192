# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""GROUP BY: what a group may be, and what stands above it."""

from __future__ import annotations

import pytest

from cleanroom.contract.types import ParameterType
from tests.support.gate_admission import admitted, refused

E, P, D = "hospital.encounters", "hospital.patients", "ref.dx_codes"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (f"SELECT count(*) FROM {D} GROUP BY CUBE (dx, label, chapter, upper(dx), lower(dx))",
         "grouping-sets"),
        (f"SELECT GROUPING({', '.join(['dx'] * 17)}), count(*) FROM {D} GROUP BY ROLLUP (dx)",
         "grouping-sets"),
        (f"SELECT GROUPING(), count(*) FROM {D} GROUP BY ROLLUP (dx)", "grouping-sets"),
        (f"SELECT ward, avg(n) FROM (SELECT patient_id, ward, count(*) AS n FROM {E} "
         "GROUP BY ROLLUP (patient_id, ward)) GROUP BY ward", "grouping-sets"),
        (f"SELECT GROUPING(dx), count(*) FROM {D} GROUP BY ROLLUP (chapter)", "grouping-sets"),
        (f"SELECT avg(x) FROM (SELECT patient_id, GROUPING(ward) AS x FROM {E} "
         "GROUP BY patient_id, ward)", "grouping-sets"),
        (f"SELECT n, count(*) FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward) "
         "GROUP BY ROLLUP (n)", "grouping-sets"),
        (f"SELECT count(*) FROM {E} GROUP BY " + ", ".join(f"left(dx, {n})" for n in range(1, 18)),
         "keys"),
        (f"SELECT count(*) FROM {E} GROUP BY rank() OVER (PARTITION BY patient_id)", "window"),
    ],
)  # fmt: skip
def test_a_grouping_is_refused_by_its_rule(sql, rule):
    assert refused(sql).code == f"admission.{rule}"


@pytest.mark.parametrize("table", [D, P])
def test_the_sets_of_a_grouping_are_released_with_the_numbers_that_tell_them_apart(table):
    one, two = ("chapter", "dx") if table == D else ("region", "sex")
    sql = f"SELECT {one}, GROUPING({one}) AS g, GROUPING_ID({two}, {one}) + 1 AS h, count(*) AS n "
    [stage] = admitted(f"{sql} FROM {table} GROUP BY ROLLUP ({one}, {two})").stages
    assert sorted(stage.grouping_sets) == [(), (0,), (0, 1)]
    assert [item.keys for item in stage.groupings] == [(0,), (1, 0)]
    assert stage.order == ("k0", "k1", "r0", "g0", "g1")
    [plain] = admitted(f"{sql} FROM {table} GROUP BY {one}, {two}").stages
    assert plain.grouping_sets == ((0, 1),)


def test_a_grouping_number_is_an_output_like_any_other():
    sql = f"SELECT GROUPING(region) AS total, region AS r, count(*) AS n FROM {P} "
    query = admitted(f"{sql} GROUP BY ROLLUP (region)")
    assert query.post.identity
    assert query.stages[0].order == ("total", "r", "n")
    assert [item.name for item in query.stages[0].groupings] == ["total"]
    later = admitted(f"{sql} GROUP BY ROLLUP (region) HAVING GROUPING(region) = 0 ORDER BY total")
    assert not later.post.identity


def test_releases_with_other_grouping_numbers_are_not_the_same():
    one = f"SELECT GROUPING(region) AS g, count(*) AS n FROM {P} GROUP BY CUBE (region, sex)"
    two = one.replace("GROUPING(region)", "GROUPING(sex)")
    assert len(admitted(f"{one} UNION ALL {two}").stages) == 2
    assert len(admitted(f"{one} UNION ALL {one}").stages) == 1


def test_a_subquery_beside_a_computed_group_is_no_group():
    sql = (
        f"SELECT left(ward, 1) AS w, count(*) > (SELECT avg(los) FROM {E}) AS more FROM {E} "
        "GROUP BY left(ward, 1)"
    )
    query = admitted(sql)
    assert len(query.stages) == 2
    bare = sql.replace("count(*) >", "9 >")
    assert [output.name for output in admitted(bare).output] == ["w", "more"]


def test_a_window_beside_a_computed_group_sees_the_groups():
    sql = (
        f"SELECT left(ward, 1) AS w, 1 + rank() OVER (ORDER BY left(ward, 1)) AS place FROM {E} "
        "GROUP BY left(ward, 1)"
    )
    query = admitted(sql)
    assert [output.name for output in query.output] == ["w", "place"]


def test_a_parameter_is_no_group():
    error = refused(f"SELECT $p AS g, count(*) FROM {E} GROUP BY g", p=ParameterType.INTEGER)
    assert error.code == "admission.constant"
    sql = f"SELECT los + $p AS g, count(*) FROM {E} GROUP BY g"
    assert admitted(sql, p=ParameterType.INTEGER).stages


def test_a_row_identifier_is_no_group_whatever_an_owner_would_allow():
    error = refused(f"SELECT encounter_id, count(*) FROM {E} GROUP BY encounter_id")
    assert error.grant == "none: identifiers are never group keys of a release"
