# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody
"""VALUES says what SELECTs of constants under UNION ALL say, and is judged like them."""

from __future__ import annotations

import copy
import json

import pytest

from cleanroom.admission.admit import lower
from cleanroom.admission.clauses.constant_rows import MAX_ROWS
from cleanroom.admission.refusal import Locator, QueryRefusedError
from cleanroom.admission.syntax.parser import serialize
from tests.support.gate_admission import CATALOG, admitted

P = "hospital.patients"
ROWS = "SELECT 'F' AS s, 1.5 AS w UNION ALL SELECT 'M', 2"
LABELS = "SELECT 'F' AS s, 'women' AS label UNION ALL SELECT NULL, 'nobody'"


def shape(sql: str) -> str:
    """The whole tree of a query; its columns are numbered as they are met."""
    return repr(admitted(sql))


@pytest.mark.parametrize(
    ("values", "selects", "rest"),
    [
        ("(VALUES ('F', 'women'), (NULL, 'nobody')) v(s, label)", f"({LABELS}) v",
         "SELECT v.label, count(*) AS n FROM {P} p JOIN {V} ON v.s = p.sex GROUP BY v.label"),
        ("(VALUES ('F', 'women'), (NULL, 'nobody')) v(s, label)", f"({LABELS}) v",
         "SELECT v.label, count(*) AS n FROM {P} p LEFT JOIN {V} ON v.s = p.sex GROUP BY v.label"),
        ("(VALUES ('F', 1.5), ('M', 2)) v(s, w)", f"({ROWS}) v",
         "SELECT sum(n * w) FROM (SELECT sex, count(*) n FROM {P} GROUP BY 1) JOIN {V} ON s = sex"),
        ("(VALUES (-1), (2))", "(SELECT -1 AS a UNION ALL SELECT 2)",
         "SELECT count(*) AS n FROM {P} WHERE birth_year IN {V}"),
        ("(VALUES (1 + 1)) v(s)", "(SELECT 1 + 1 AS s) v",
         "SELECT count(*) AS n FROM {P} JOIN {V} ON v.s = birth_year"),
    ],
)  # fmt: skip
def test_values_are_selects_of_constants(values, selects, rest):
    one, other = (rest.replace("{P}", P).replace("{V}", item) for item in (values, selects))
    assert shape(one) == shape(other)


def test_columns_are_called_as_the_engine_calls_them():
    sql = f"SELECT col1, n FROM (VALUES (1, 'x')) CROSS JOIN (SELECT count(*) AS n FROM {P})"
    assert [item.name for item in admitted(sql).output] == ["col1", "n"]


def test_there_is_room_for_a_year_of_weeks():
    rows = ", ".join(f"({number})" for number in range(MAX_ROWS))
    assert admitted(f"SELECT count(*) AS n FROM {P} WHERE birth_year IN (VALUES {rows})").stages


@pytest.mark.parametrize("rows", [[], [[]], "widths"])
def test_rows_of_odd_widths_are_refused(rows):
    tree = json.loads(serialize(f"SELECT count(*) FROM {P} WHERE sex IN (VALUES ('F'), ('M'))"))
    node = tree["statements"][0]["node"]["where_clause"]["subquery"]["node"]["from_table"]
    [first, second] = node["values"]
    node["values"] = [first, [*second, *copy.deepcopy(second)]] if rows == "widths" else rows
    with pytest.raises(QueryRefusedError) as caught:
        lower(tree["statements"][0], locator=Locator(b""), catalog=CATALOG, parameters={})
    assert caught.value.code == "admission.values"
