# SPDX-License-Identifier: Apache-2.0
"""Subqueries in expressions: released scalars, IN (SELECT key ...) and EXISTS through the key."""

from __future__ import annotations

from typing import Any

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.controls import as_condition
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.lowered import Lowered, ref
from cleanroom.admission.context.scope import Scope, column_name, resolve
from cleanroom.admission.expressions.comparisons import BINARY, Lower
from cleanroom.admission.expressions.semijoins import match
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.conjuncts import conjuncts
from cleanroom.admission.syntax.describe import refuse_expression
from cleanroom.admission.syntax.node import PLACED, Node, Shape, class_of, open_node, type_of
from cleanroom.admission.syntax.select_shapes import SELECT, STATEMENT
from cleanroom.admission.typed.expr import Expr, call
from cleanroom.admission.typed.relation import Attach, MatchKind

_SUBQUERY = Shape(
    used=PLACED | {"subquery_type", "subquery", "child", "comparison_type"},
    neutral={"alias": "", "class": "SUBQUERY", "type": "SUBQUERY"},
)
_EXISTS = {"EXISTS": False, "NOT_EXISTS": True}
_PLAIN = frozenset({"CONSTANT", "COLUMN_REF", "STAR"})
_FIX_EXISTS = "write EXISTS (SELECT 1 FROM dataset d WHERE d.key = outer.key AND conditions on d)"


def lower_subquery(node: Any, clause: Clause, *, place: Place, lower: Lower) -> Expr:  # noqa: ANN401
    """Lower a subquery to the value or the condition that it is.

    Raises:
        QueryRefusedError: Rows of a kind that may not be tested or compared here.
    """
    opened = open_node(node, _SUBQUERY, place=place)
    kind = opened["subquery_type"]
    if kind == "SCALAR":
        return _scalar(opened, clause, place=place)
    if kind in _EXISTS:
        found = partner_test(node, clause, kind=MatchKind.MARK, place=place, lower=lower)
        return call("not", found) if _EXISTS[kind] else found
    return partner_test(node, clause, kind=MatchKind.MARK, place=place, lower=lower)


def partner_test(
    node: Any,  # noqa: ANN401 - the engine's JSON
    clause: Clause,
    *,
    kind: MatchKind,
    place: Place,
    lower: Lower,
) -> Expr:
    """Lower IN (SELECT ...) or EXISTS (SELECT ...) as a test for partners.

    Raises:
        QueryRefusedError: Not a test through the key.
    """
    opened = open_node(node, _SUBQUERY, place=place)
    if opened["subquery_type"] in _EXISTS:
        return _exists(opened, clause, kind=kind, place=place, lower=lower)
    if opened["subquery_type"] != "ANY" or opened["comparison_type"] != "COMPARE_EQUAL":
        refuse_expression(node, place=place)
    tested = lower(opened["child"], clause, near=place, identifier=True)
    block = clause.env.select(_statement(opened, place=place), clause.env, place)
    if len(block.outputs) != 1:
        refuse("subquery", "IN of several columns", fix="select one column", place=place)
    pairs = [(tested, block.outputs[0][1])]
    return match(clause, block.lowered, pairs, kind=kind, unknown=True, place=place)


def is_partner_test(node: Any) -> bool:  # noqa: ANN401 - the engine's JSON
    """Tell whether a node is IN (SELECT ...) or EXISTS (SELECT ...)."""
    return class_of(node) == "SUBQUERY" and node.get("subquery_type") != "SCALAR"


def is_negated(node: Any) -> bool:  # noqa: ANN401 - the engine's JSON
    """Tell whether a partner test keeps the rows without partners by itself."""
    return _EXISTS.get(node.get("subquery_type"), False)


def _statement(opened: Node, *, place: Place) -> Any:  # noqa: ANN401 - the engine's JSON
    return open_node(opened["subquery"], STATEMENT, place=place)["node"]


def _scalar(opened: Node, clause: Clause, *, place: Place) -> Expr:
    block = clause.env.select(_statement(opened, place=place), clause.env, place)
    lowered = block.lowered
    if lowered.level is not Level.RELEASED:
        refuse(
            "subquery",
            "a subquery that gives values of single rows",
            fix="select one aggregate without GROUP BY, or join the dataset on its key",
            place=place,
        )
    if len(block.outputs) != 1 or not lowered.single:
        refuse(
            "subquery",
            "a subquery that may give several values",
            fix="select one aggregate without GROUP BY",
            place=place,
        )
    clause.attach(lambda rows: attached(rows, lowered))
    return ref(clause.builder, block.outputs[0][1])


def attached(rows: Lowered, single: Lowered) -> Lowered:
    """Give every row the columns of a released table of at most one row."""
    return rows.on(Attach(left=rows.relation, right=single.relation))


def _exists(opened: Node, clause: Clause, *, kind: MatchKind, place: Place, lower: Lower) -> Expr:
    select = _statement(opened, place=place)
    if type_of(select) != "SELECT_NODE":
        refuse("subquery", "a set operation in EXISTS", fix=_FIX_EXISTS, place=place)
    inner = open_node(select, SELECT, place=place)
    _require_flat(inner, place=place)
    sources = clause.env.sources(inner["from_table"], clause.env, place)
    rows = Clause(clause.env, sources.scope, sources.lowered.level, outer=clause.scope)
    pairs: list[tuple[Expr, int]] = []
    lowered = sources.lowered
    conditions = (
        []
        if inner["where_clause"] is None
        else conjuncts(inner["where_clause"], locator=clause.builder.locator, near=place)
    )
    for condition in conditions:
        at = clause.builder.place(condition, place)
        pair = _correlation(condition, rows.scope, clause, place=at)
        if pair:
            pairs.append(pair)
        else:
            expr = lower(condition, rows, near=at, wanted="boolean")
            lowered = rows.apply(lowered).where(as_condition(expr, rows, place=at))
    if not pairs:
        refuse("correlated", "EXISTS that is not correlated", fix=_FIX_EXISTS, place=place)
    return match(clause, lowered, pairs, kind=kind, unknown=False, place=place)


def _require_flat(inner: Node, *, place: Place) -> None:
    flat = (
        all(class_of(item) in _PLAIN for item in inner["select_list"])
        and inner["modifiers"] == []
        and inner["cte_map"] == {"map": []}
        and inner["group_expressions"] == []
        and inner["aggregate_handling"] == "STANDARD_HANDLING"
        and inner["having"] is None
        and inner["qualify"] is None
        and inner["sample"] is None
    )
    if not flat:
        refuse("subquery", "more than FROM and WHERE in EXISTS", fix=_FIX_EXISTS, place=place)


def _correlation(
    condition: Any,  # noqa: ANN401 - the engine's JSON
    inner: Scope,
    clause: Clause,
    *,
    place: Place,
) -> tuple[Expr, int] | None:
    """Read ``inner.key = outer.key``; nothing for any other condition."""
    if type_of(condition) != "COMPARE_EQUAL":
        return None
    opened = open_node(condition, BINARY, place=place)
    sides = [opened["left"], opened["right"]]
    if any(class_of(side) != "COLUMN_REF" for side in sides):
        return None
    within = [bool(inner.find(*column_name(side, place=place))) for side in sides]
    if within[0] == within[1]:
        return None
    own, other = (sides[0], sides[1]) if within[0] else (sides[1], sides[0])
    return clause.column(other, place=place), resolve(own, scope=inner, place=place)
