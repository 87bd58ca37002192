# SPDX-License-Identifier: Apache-2.0
"""The WHERE clause: comparisons of a bare column with values, joined by AND."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from cleanroom.admission.expressions import refuse_expression
from cleanroom.admission.node import PLACED, Shape, open_node, place_of, type_of
from cleanroom.admission.refusal import Locator, Place, refuse
from cleanroom.admission.scope import Scope, resolve_column
from cleanroom.admission.tree import Comparison, Condition, SourceColumn
from cleanroom.admission.values import is_operand, lower_operand
from cleanroom.contract.policy_terms import Role
from cleanroom.contract.types import ParameterType

MAX_CONDITIONS = 64
MAX_LIST = 1000

_CONJUNCTION = Shape(
    used=PLACED,
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "CONJUNCTION", "type": "CONJUNCTION_AND"},
)
_BINARY = Shape(
    used=PLACED | {"type", "left", "right"}, neutral={"alias": "", "class": "COMPARISON"}
)
_BETWEEN = Shape(
    used=PLACED | {"input", "lower", "upper"},
    neutral={"alias": "", "class": "BETWEEN", "type": "COMPARE_BETWEEN"},
)
_OPERATOR = Shape(
    used=PLACED | {"type"},
    lists=frozenset({"children"}),
    neutral={"alias": "", "class": "OPERATOR"},
)
_COMPARISONS: Mapping[str, tuple[Comparison, Comparison]] = {  # as written, and with sides swapped
    "COMPARE_EQUAL": (Comparison.EQUAL, Comparison.EQUAL),
    "COMPARE_NOTEQUAL": (Comparison.NOT_EQUAL, Comparison.NOT_EQUAL),
    "COMPARE_LESSTHAN": (Comparison.LESS, Comparison.GREATER),
    "COMPARE_LESSTHANOREQUALTO": (Comparison.LESS_OR_EQUAL, Comparison.GREATER_OR_EQUAL),
    "COMPARE_GREATERTHAN": (Comparison.GREATER, Comparison.LESS),
    "COMPARE_GREATERTHANOREQUALTO": (Comparison.GREATER_OR_EQUAL, Comparison.LESS_OR_EQUAL),
}
_NULL_TESTS = {
    "OPERATOR_IS_NULL": Comparison.IS_NULL,
    "OPERATOR_IS_NOT_NULL": Comparison.IS_NOT_NULL,
}
_FILTERED = frozenset({Role.DIMENSION, Role.QUASI, Role.PUBLIC})
_FIX = "compare a bare column with a value, and join comparisons with AND"


def conjuncts(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    locator: Locator,
    near: Place,
) -> list[Any]:
    """Split nested ANDs, without recursion.

    Raises:
        QueryRefusedError: More conditions than the limit.
    """
    waiting, found = [node], []
    while waiting:
        node = waiting.pop()
        if type_of(node) == "CONJUNCTION_AND":
            place = place_of(node, locator=locator, near=near)
            waiting.extend(reversed(open_node(node, _CONJUNCTION, place=place)["children"]))
        else:
            found.append(node)
    if len(found) > MAX_CONDITIONS:
        refuse(
            "conditions",
            f"more than {MAX_CONDITIONS} conditions",
            fix="use IN (...) instead of many comparisons",
            place=near,
        )
    return found


def lower_conditions(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    scope: Scope,
    parameters: Mapping[str, ParameterType],
    near: Place,
) -> tuple[Condition, ...]:
    """Lower the WHERE clause; an absent one has no conditions.

    Raises:
        QueryRefusedError: A conjunct that is not an admitted comparison.
    """
    if node is None:
        return ()
    return tuple(
        _lower_condition(child, scope=scope, parameters=parameters, near=near)
        for child in conjuncts(node, locator=scope.locator, near=near)
    )


def _lower_condition(
    node: Any,  # noqa: ANN401 - the engine's JSON
    *,
    scope: Scope,
    parameters: Mapping[str, ParameterType],
    near: Place,
) -> Condition:
    place = place_of(node, locator=scope.locator, near=near)
    kind = type_of(node)
    if kind in _COMPARISONS:
        comparison, column, operands = _split_binary(node, place=place)
    elif kind == "COMPARE_BETWEEN":
        opened = open_node(node, _BETWEEN, place=place)
        comparison, column = Comparison.BETWEEN, opened["input"]
        operands = [opened["lower"], opened["upper"]]
    elif kind == "COMPARE_IN" or kind in _NULL_TESTS:
        comparison = _NULL_TESTS.get(kind, Comparison.IN)
        column, *operands = open_node(node, _OPERATOR, place=place)["children"] or [None]
    else:
        _refuse_condition(node, place=place)
    source = resolve_column(
        column, scope=scope, place=place_of(column, locator=scope.locator, near=place)
    )
    _require_filtered(source, scope=scope, place=place)
    _require_comparison(source, comparison, count=len(operands), place=place)
    return Condition(
        column=source,
        comparison=comparison,
        operands=tuple(
            lower_operand(
                operand,
                column=source,
                parameters=parameters,
                place=place_of(operand, locator=scope.locator, near=place),
            )
            for operand in operands
        ),
    )


def _split_binary(node: Any, *, place: Place) -> tuple[Comparison, Any, list[Any]]:  # noqa: ANN401
    opened = open_node(node, _BINARY, place=place)
    written, swapped = _COMPARISONS[opened["type"]]
    if is_operand(opened["left"]):
        return swapped, opened["right"], [opened["left"]]
    return written, opened["left"], [opened["right"]]


def _refuse_condition(node: object, *, place: Place) -> NoReturn:
    kind = type_of(node)
    if kind == "CONJUNCTION_OR":
        refuse("or", "OR in WHERE", fix="use IN (...), or ask two queries", place=place)
    if kind == "OPERATOR_NOT":
        refuse("not", "NOT in WHERE", fix="write <> or the opposite comparison", place=place)
    if kind == "COLUMN_REF":
        refuse("condition", "a bare column in WHERE", fix="write column = true", place=place)
    if kind in {"COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM", "COMPARE_NOT_IN"}:
        refuse("condition", "a comparison of another kind in WHERE", fix=_FIX, place=place)
    refuse_expression(node, place=place)


def _require_filtered(column: SourceColumn, *, scope: Scope, place: Place) -> None:
    policy = scope.policy_of(column)
    role = column.column.role
    if role is Role.PUBLIC and policy.is_public:
        return
    if role in _FILTERED and column.column.name in policy.compare_literal:
        return
    # A key that meets a value names one person; this rule alone stops most singling out.
    grant = f"[compare] literal += {column.column.name} in the policy of {column.lineage}"
    refuse(
        "compare-literal",
        f"{column.reference} ({role.value}) may not be compared with a value",
        fix="filter on a column that its owner lists in [compare] literal",
        place=place,
        column=column.reference,
        grant=grant
        if role in _FILTERED
        else f"none: a {role.value} is never compared with a value",
    )


def _require_comparison(
    column: SourceColumn, comparison: Comparison, *, count: int, place: Place
) -> None:
    ordered = comparison not in {
        Comparison.EQUAL,
        Comparison.NOT_EQUAL,
        Comparison.IS_NULL,
        Comparison.IS_NOT_NULL,
        Comparison.IN,
    }
    if ordered and column.type == "boolean":
        refuse("type", "an order of booleans", fix="write = true or = false", place=place)
    if count > MAX_LIST:
        refuse(
            "list", f"more than {MAX_LIST} values in a list", fix="use a shorter list", place=place
        )
