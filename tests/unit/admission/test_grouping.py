# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""GROUP BY: what a group may be, and what stands above it."""

from __future__ import annotations

import pytest

from tests.support.gate_admission import admitted, refused

E, P, D = "hospital.encounters", "hospital.patients", "ref.dx_codes"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (f"SELECT count(*) FROM {D} GROUP BY CUBE (dx, label, chapter, upper(dx), lower(dx))",
         "grouping-sets"),
        (f"SELECT GROUPING(chapter, dx), count(*) FROM {D} GROUP BY ROLLUP (chapter, dx)",
         "grouping-sets"),
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


def test_grouping_is_read_as_one_number_a_key_and_refused_with_the_sets_it_is_for():
    sql = f"SELECT chapter, GROUPING(chapter), GROUPING(chapter) + 1, count(*) FROM {D} "
    for grouping in ("GROUP BY ROLLUP (chapter)", "GROUP BY chapter"):
        error = refused(sql + grouping)
        assert error.code == "admission.grouping-sets"
        assert "ROLLUP" in error.message


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
