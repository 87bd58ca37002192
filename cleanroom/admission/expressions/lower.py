# SPDX-License-Identifier: Apache-2.0
"""Lower one expression of the engine's tree into a typed one, deny by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.controls import as_condition, refuse_identifiers
from cleanroom.admission.context.types import NULL, common_type, typed_null
from cleanroom.admission.expressions.calls import lower_function
from cleanroom.admission.expressions.comparisons import (
    lower_between,
    lower_comparison,
    lower_in,
    lower_null_test,
)
from cleanroom.admission.expressions.subqueries import lower_subquery
from cleanroom.admission.expressions.values import (
    CAST,
    TYPE,
    is_constant_node,
    lower_constant,
    read_integer,
    typed_literal,
)
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import refuse_expression
from cleanroom.admission.syntax.node import (
    PLACED,
    Node,
    Shape,
    class_of,
    open_node,
    type_of,
    unknown,
)
from cleanroom.admission.typed.expr import BOOLEAN, Case, Cast, Expr, call
from cleanroom.contract.types import ColumnType
from cleanroom.errors import MalformedError

MAX_BRANCH_ARMS = 64
MAX_CONDITIONS = 64

_CONJUNCTION = Shape(
    used=PLACED | {"type"},
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "CONJUNCTION"},
)
_OPERATOR = Shape(
    used=PLACED | {"type"},
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "OPERATOR"},
)
_CASE = Shape(
    used=PLACED | {"else_expr"},
    lists=frozenset({"case_checks"}),
    neutral={"alias": "", "class": "CASE", "type": "CASE_EXPR"},
)
_CHECK = Shape(used=frozenset({"when_expr", "then_expr"}), neutral={})
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("BOOLEAN", "BOOL", "LOGICAL"), "boolean"),
    **dict.fromkeys(
        ("INTEGER", "INT", "INT4", "SIGNED", "BIGINT", "INT8", "LONG", "SMALLINT", "INT2"),
        "integer",
    ),
    **dict.fromkeys(("TINYINT", "INT1", "SHORT", "INT64", "HUGEINT"), "integer"),
    **dict.fromkeys(("DOUBLE", "FLOAT8", "FLOAT", "FLOAT4", "REAL", "FLOAT64"), "double"),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR"), "string"),
    "DATE": "date",
    **dict.fromkeys(("TIMESTAMP", "DATETIME"), "timestamp"),
}
_DECIMALS = frozenset({"DECIMAL", "NUMERIC"})
_DEFAULT_DECIMAL = (18, 3)


def lower(
    node: Any,  # noqa: ANN401 - the engine's JSON
    clause: Clause,
    *,
    near: Place,
    wanted: str = "",
    identifier: bool = False,
) -> Expr:
    """Lower an expression.

    Args:
        node: The engine's tree of it.
        clause: Where it stands.
        near: Where its parent stands.
        wanted: The type that it must have if it is a constant; empty for its own.
        identifier: Whether it may be a bare identifier.

    Raises:
        QueryRefusedError: It is not one that the gate knows.
    """
    place = clause.builder.place(node, near)
    known = clause.known(node, place=place)
    if known is None and (is_constant_node(node) and _is_plain_constant(node, place)):
        return lower_constant(node, builder=clause.builder, wanted=wanted, place=place)
    expr = known if known is not None else _dispatch(node, clause, place=place)
    if not identifier:
        refuse_identifiers(clause, expr, place=place)
    return expr


def lower_condition(node: Any, clause: Clause, *, near: Place) -> Expr:  # noqa: ANN401
    """Lower an expression that must be true or false.

    Raises:
        QueryRefusedError: It is not.
    """
    place = clause.builder.place(node, near)
    return as_condition(lower(node, clause, near=near, wanted=BOOLEAN), clause, place=place)


def _is_plain_constant(node: Any, place: Place) -> bool:  # noqa: ANN401 - the engine's JSON
    return class_of(node) != "CAST" or typed_literal(node, place=place) is not None


def _dispatch(node: Any, clause: Clause, *, place: Place) -> Expr:  # noqa: ANN401
    lowering = _LOWERINGS.get(class_of(node))
    if lowering is None:
        refuse_expression(node, place=place)
    return lowering(node, clause, place)


def _column(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return clause.column(node, place=place)


def _function(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return lower_function(node, clause, place=place, lower=lower)


def _window(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return clause.window(node, place=place)


def _subquery(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return lower_subquery(node, clause, place=place, lower=lower)


def _comparison(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return lower_comparison(node, clause, place=place, lower=lower)


def _between(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    return lower_between(node, clause, place=place, lower=lower)


def _conjunction(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    opened = open_node(node, _CONJUNCTION, place=place)
    names = {"CONJUNCTION_AND": "and", "CONJUNCTION_OR": "or"}
    if opened["type"] not in names:
        refuse_expression(node, place=place)
    if len(opened["children"]) > MAX_CONDITIONS:
        refuse(
            "conditions",
            f"more than {MAX_CONDITIONS} conditions",
            fix="use IN (...) instead of many comparisons",
            place=place,
        )
    parts = [lower_condition(child, clause, near=place) for child in opened["children"]]
    return call(names[opened["type"]], *parts)


def _operator(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    kind = type_of(node)
    if kind not in _OPERATORS:
        refuse_expression(node, place=place)
    parts = open_node(node, _OPERATOR, place=place)["children"]
    return _OPERATORS[kind](parts, clause, place)


def _not(parts: list[Any], clause: Clause, place: Place) -> Expr:
    if len(parts) != 1:
        refuse_expression({}, place=place)
    return call("not", lower_condition(parts[0], clause, near=place))


def _is_null(parts: list[Any], clause: Clause, place: Place) -> Expr:
    return lower_null_test("is null", parts, clause, place=place, lower=lower)


def _is_not_null(parts: list[Any], clause: Clause, place: Place) -> Expr:
    return lower_null_test("is not null", parts, clause, place=place, lower=lower)


def _in(parts: list[Any], clause: Clause, place: Place) -> Expr:
    return lower_in(parts, clause, place=place, lower=lower)


def _coalesce(parts: list[Any], clause: Clause, place: Place) -> Expr:
    if not 0 < len(parts) <= MAX_BRANCH_ARMS:
        _refuse_arms(place)
    first = lower(parts[0], clause, near=place)
    rest = [lower(part, clause, near=place, wanted=_wanted(first)) for part in parts[1:]]
    kind = common_type([first, *rest], what="coalesce", place=place)
    return call("coalesce", *(typed_null(part, kind) for part in (first, *rest)), type=kind)


def _wanted(expr: Expr) -> str:
    """Let a constant take the type of what it stands beside, unless that has none."""
    return "" if expr.type == NULL else expr.type


def _case(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    opened = open_node(node, _CASE, place=place)
    if len(opened["case_checks"]) > MAX_BRANCH_ARMS:
        _refuse_arms(place)
    arms = []
    for item in opened["case_checks"]:
        check = open_node(item, _CHECK, place=place)
        condition = lower_condition(check["when_expr"], clause, near=place)
        arms.append((condition, lower(check["then_expr"], clause, near=place)))
    otherwise = lower(opened["else_expr"], clause, near=place)
    kind = common_type([*(value for _, value in arms), otherwise], what="CASE", place=place)
    return Case(
        arms=tuple((condition, typed_null(value, kind)) for condition, value in arms),
        otherwise=typed_null(otherwise, kind),
        type=kind,
    )


def _refuse_arms(place: Place) -> None:
    refuse(
        "branches",
        f"more than {MAX_BRANCH_ARMS} branches",
        fix="group by the column instead",
        place=place,
    )


def _cast(node: Any, clause: Clause, place: Place) -> Expr:  # noqa: ANN401
    opened = open_node(node, CAST, place=place)
    if not isinstance(opened["try_cast"], bool):
        unknown("a cast of no known form", place=place)
    kind = _cast_type(opened["type_expr"], place=place)
    child = lower(opened["child"], clause, near=place)
    return child if child.type == kind else Cast(child=typed_null(child, kind), type=kind)


def _cast_type(node: Any, *, place: Place) -> str:  # noqa: ANN401 - the engine's JSON
    opened: Node = open_node(node, TYPE, place=place)
    name = str(opened["type_name"]).upper()
    arguments = opened["children"]
    bare = opened["qualified_name"] == {"path": [opened["type_name"]]}
    if bare and name in _DECIMALS and len(arguments) <= 2:  # noqa: PLR2004 - precision and scale
        given = [read_integer(item, what="a type", place=place) for item in arguments]
        precision, scale = (*given, 0)[:2] if given else _DEFAULT_DECIMAL
        try:
            return ColumnType(f"decimal({precision},{scale})")
        except MalformedError:
            pass
    if not bare or name not in _TYPES or arguments:
        refuse(
            "cast",
            "a cast to a type that this gate does not know",
            fix="cast to BOOLEAN, BIGINT, DECIMAL(p,s), DOUBLE, VARCHAR, DATE or TIMESTAMP",
            place=place,
        )
    return _TYPES[name]


_OPERATORS: Mapping[str, Callable[[list[Any], Clause, Place], Expr]] = {
    "OPERATOR_NOT": _not,
    "OPERATOR_IS_NULL": _is_null,
    "OPERATOR_IS_NOT_NULL": _is_not_null,
    "OPERATOR_COALESCE": _coalesce,
    "COMPARE_IN": _in,
}
_LOWERINGS: Mapping[str, Callable[[Any, Clause, Place], Expr]] = {
    "COLUMN_REF": _column,
    "FUNCTION": _function,
    "WINDOW": _window,
    "SUBQUERY": _subquery,
    "COMPARISON": _comparison,
    "BETWEEN": _between,
    "CONJUNCTION": _conjunction,
    "OPERATOR": _operator,
    "CASE": _case,
    "CAST": _cast,
}
