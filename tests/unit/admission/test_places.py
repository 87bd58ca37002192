# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""A refusal points at what it is about, also where the engine gives no place."""

from __future__ import annotations

import pytest

from cleanroom.admission.refusal import START, Locator
from cleanroom.admission.syntax.node import block_place
from tests.support.gate_admission import refused

E, P, D = "hospital.encounters", "hospital.patients", "ref.dx_codes"


def marked(text):
    """The query without the mark, and the line and column of the mark."""
    before, _, _ = text.partition("^")
    return text.replace("^", ""), before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"-- all\n ^SELECT ward FROM {E}", "row-level"),
        (f"WITH x AS (SELECT ward FROM {E})\n^SELECT ward FROM x", "row-level"),
        (f"^select distinct patient_id from {E}", "row-level"),
        (f"SELECT /* first */ ^ward FROM {E}", "row-level"),
        (f"FROM {E} ^SELECT ward", "row-level"),
        (f"^SELECT ward FROM {E} UNION ALL SELECT 'none'", "set-operation"),
        (f"SELECT ward, count(*) FROM (\n ^SELECT DISTINCT ward FROM {E}) GROUP BY ward",
         "distinct"),
        (f"WITH few AS (SELECT patient_id, ward FROM {E}\n LIMIT ^5) "
         "SELECT ward, count(*) FROM few GROUP BY ward", "order-limit"),
        (f"SELECT n, count(*) FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward)\n"
         "GROUP BY ROLLUP (^n)", "grouping-sets"),
        (f"SELECT count(*) FROM (SELECT patient_id, ward FROM {E} "
         "GROUP BY CUBE (^patient_id, ward))", "grouping-sets"),
        (f"SELECT count(*) FROM {D} GROUP BY CUBE (^dx, label, chapter, upper(dx), lower(dx))",
         "grouping-sets"),
        ("SELECT " + ", ".join(
            ("^" if n == 32 else "") + f"count(*) FILTER (WHERE los > {n})" for n in range(33))
         + f" FROM {E}", "aggregates"),
        (f"SELECT DISTINCT ward AS w, count(*) AS n FROM {E} GROUP BY ward ORDER BY\n^sum(los)",
         "order-by"),
        (f"SELECT n FROM (SELECT count(*) AS n FROM {E}) ORDER BY ^n" + ", n" * 40, "order-by"),
        (f"SELECT ward,\n count(*) FROM {E} GRUP ^BY ward", "syntax"),
        ("^DELETE FROM x", "syntax"),
        ("^SELECT 1 AS one", "from"),
        ("SELECT count(*) FROM (SELECT e.patient_id, d.dx, "
         f"row_number() OVER (PARTITION BY e.patient_id) AS r FROM {E} e JOIN {D} d "
         "ON e.dx = d.dx) GROUP BY ^upper(dx)", "look-up"),
        (" UNION ALL ".join(
            ("^" if n == 8 else "") + f"SELECT count(*) FROM {E} WHERE los > {n}"
            for n in range(9)), "releases"),
    ],
)  # fmt: skip
def test_a_refusal_points_at_what_it_is_about(text, rule):
    sql, line, column = marked(text)
    error = refused(sql)
    assert error.code == f"admission.{rule}"
    assert (error.place.line, error.place.column) == (line, column)
    assert str(error.place) in error.message


@pytest.mark.parametrize("node", [None, {}, {"select_list": []}, {"select_list": [None]},
                                  {"children": []}, {"children": [{"select_list": "x"}]},
                                  {"select_list": [{"query_location": -1}]},
                                  {"select_list": [{"query_location": 1 << 63}]}])  # fmt: skip
def test_a_block_without_a_place_stands_where_its_parent_does(node):
    assert block_place(node, locator=Locator(b"SELECT 1"), near=START) == START
