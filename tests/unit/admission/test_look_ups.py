# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody

"""What is computed or filtered of public rows alone happens before they are looked up."""

from __future__ import annotations

import pytest

from cleanroom.admission.typed.columns import everything, produced
from cleanroom.admission.typed.expr import Case, Expr, Literal, Ref, refs
from cleanroom.admission.typed.relation import Extend, Filter, LookUp
from tests.support.gate_admission import admitted

E, P = "hospital.encounters", "hospital.patients"
LOOKED_UP = f"SELECT e.patient_id, d.chapter FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx"
EVERYBODY = f"SELECT patient_id FROM {P}"
WHERE_X = "WHERE chapter = 'x'"


def look_up(sql: str) -> LookUp:
    [stage] = admitted(sql).stages
    [found] = [node for node in everything(stage.base) if isinstance(node, LookUp)]
    return found


def group_key(sql: str) -> Expr:
    """What a query is grouped by, as it is computed outside of look-ups."""
    [stage] = admitted(sql).stages
    [key] = stage.keys
    base = stage.base
    if isinstance(base, Extend) and isinstance(key.expr, Ref):
        return dict(base.outputs).get(key.expr.column, key.expr)
    return key.expr


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM ({LOOKED_UP}) t {WHERE_X}",
        f"SELECT count(*) FROM ({LOOKED_UP}) t JOIN {P} p USING (patient_id) {WHERE_X}",
        f"SELECT count(*) FROM {P} p JOIN ({LOOKED_UP}) t USING (patient_id) {WHERE_X}",
        f"SELECT count(*) FROM ({LOOKED_UP} WHERE e.patient_id IN ({EVERYBODY})) t {WHERE_X}",
        f"SELECT count(*) FROM ({LOOKED_UP} WHERE e.los > 1) t {WHERE_X}",
        f"SELECT count(*) FROM {E} e JOIN ref.dx_codes d ON e.dx = d.dx AND d.chapter = 'x'",
    ],
)
def test_a_filter_on_public_columns_filters_the_public_rows_themselves(sql):
    found = look_up(sql)
    assert isinstance(found.right, Filter)
    assert refs(found.right.condition) <= produced(found.right.input)
    # What was only filtered by does not keep equal public rows apart.
    assert len(found.columns) == 1


@pytest.mark.parametrize("kind", ["", "LEFT "])
def test_an_expression_of_public_columns_is_computed_before_equal_rows_are_merged(kind):
    inner = LOOKED_UP.replace("d.chapter", "left(d.chapter, 3) AS c").replace("JOIN", f"{kind}JOIN")
    sql = f"SELECT c, count(*) FROM ({inner}) t GROUP BY c"
    found, key = look_up(sql), group_key(sql)
    assert isinstance(found.right, Extend)
    [(inside, _)] = found.right.outputs
    assert inside in found.columns
    assert found.outer is bool(kind)
    if not kind:
        assert key == Ref(column=inside, type="string")
        return
    # A row without a match has what the expression makes of NULL, and says so by the match.
    assert isinstance(key, Case)
    [(matched, value)] = key.arms
    assert refs(matched) == {found.flag}
    assert refs(value) == {inside}
    assert key.otherwise.args[0] == Literal(value=None, type="string")
