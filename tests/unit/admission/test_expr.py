# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""An expression is rewritten in every part of it, or the rest would read what is not there."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.expr import Case, refs
from tests.support.gate_admission import admitted

E, P = "hospital.encounters", "hospital.patients"
CODES = f"{E} e LEFT JOIN ref.dx_codes d ON e.dx = d.dx"
NUMBERS = f"{P} p LEFT JOIN ref.numbers r ON p.birth_year = r.n"


@pytest.mark.parametrize(
    ("expr", "table"),
    [
        ("d.chapter || 'x'", CODES),
        ("n::VARCHAR", NUMBERS),
        ("CASE WHEN d.chapter = 'x' THEN 'a' ELSE d.label END", CODES),
        ("CASE WHEN d.chapter = 'x' THEN upper(d.label) ELSE 'a' END", CODES),
    ],
)
def test_where_nothing_was_looked_up_an_expression_reads_nothing(expr, table):
    sql = f"SELECT {expr} AS x, count(*) FROM {table} GROUP BY x"
    [key] = admitted(sql).stages[0].keys
    assert isinstance(key.expr, Case)
    assert refs(key.expr.arms[0][1])
    assert not refs(key.expr.otherwise)
