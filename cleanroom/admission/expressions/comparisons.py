# SPDX-License-Identifier: Apache-2.0
"""Comparisons: between values of one type, of columns whose owners allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.controls import refuse_identifiers, require_comparable
from cleanroom.admission.context.facts import Level, identifiers_of
from cleanroom.admission.context.types import NULL, common_type, typed_null
from cleanroom.admission.expressions.values import is_constant_node
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import refuse_expression
from cleanroom.admission.syntax.node import PLACED, Shape, open_node
from cleanroom.admission.typed.expr import BOOLEAN, Call, Expr, call

MAX_LIST = 1000

BINARY = Shape(
    used=PLACED | {"type", "left", "right"}, neutral={"alias": "", "class": "COMPARISON"}
)
_BETWEEN = Shape(
    used=PLACED | {"input", "lower", "upper"},
    neutral={"alias": "", "class": "BETWEEN", "type": "COMPARE_BETWEEN"},
)
_COMPARISONS: Mapping[str, str] = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "is distinct from",
    "COMPARE_NOT_DISTINCT_FROM": "is not distinct from",
}
_ORDERED = frozenset({"<", "<=", ">", ">=", "between"})


class Lower(Protocol):
    """What lowers the parts of an expression."""

    def __call__(
        self,
        node: Any,  # noqa: ANN401 - the engine's JSON
        clause: Clause,
        *,
        near: Place,
        wanted: str = "",
        identifier: bool = False,
    ) -> Expr:
        """Lower an expression."""


def lower_comparison(node: Any, clause: Clause, *, place: Place, lower: Lower) -> Expr:  # noqa: ANN401
    """Lower ``a = b`` and its like.

    Raises:
        QueryRefusedError: Types that do not meet, or columns that may not.
    """
    opened = open_node(node, BINARY, place=place)
    if opened["type"] not in _COMPARISONS:
        refuse_expression(node, place=place)
    sides = _lower_together([opened["left"], opened["right"]], clause, place=place, lower=lower)
    return compare(_COMPARISONS[opened["type"]], sides, clause, place=place)


def lower_between(node: Any, clause: Clause, *, place: Place, lower: Lower) -> Expr:  # noqa: ANN401
    """Lower ``a BETWEEN b AND c``.

    Raises:
        QueryRefusedError: Types that do not meet, or columns that may not.
    """
    opened = open_node(node, _BETWEEN, place=place)
    parts = [opened["input"], opened["lower"], opened["upper"]]
    sides = _lower_together(parts, clause, place=place, lower=lower)
    return compare("between", sides, clause, place=place)


def lower_in(parts: list[Any], clause: Clause, *, place: Place, lower: Lower) -> Expr:
    """Lower ``a IN (b, c, ...)``.

    Raises:
        QueryRefusedError: A list that is too long, or values that do not meet.
    """
    if len(parts) > MAX_LIST + 1:
        refuse(
            "list", f"more than {MAX_LIST} values in a list", fix="use a shorter list", place=place
        )
    if len(parts) < 2:  # noqa: PLR2004 - something, and something to compare it with
        refuse("list", "an empty list", fix="list at least one value", place=place)
    sides = _lower_together(parts, clause, place=place, lower=lower)
    return compare("in", sides, clause, place=place)


def lower_null_test(
    function: str, parts: list[Any], clause: Clause, *, place: Place, lower: Lower
) -> Expr:
    """Lower ``a IS NULL``, which even an identifier may be asked.

    Raises:
        QueryRefusedError: Not one value, or a column that may not meet a value.
    """
    if len(parts) != 1:
        refuse_expression({}, place=place)
    expr = lower(parts[0], clause, near=place, identifier=True)
    if not identifiers_of(clause.builder.columns, expr):
        require_comparable(clause, expr, place=place)
    return call(function, typed_null(expr, "string"))


def compare(function: str, sides: Sequence[Expr], clause: Clause, *, place: Place) -> Expr:
    """Write a comparison of values that may meet.

    Raises:
        QueryRefusedError: They may not.
    """
    if clause.level is not Level.RELEASED:
        refuse_identifiers(clause, *sides, place=place, compared=True)
    kind = common_type(sides, what="a comparison", place=place)
    if function in _ORDERED and kind == BOOLEAN:
        refuse("type", "an order of booleans", fix="write = true or = false", place=place)
    require_comparable(clause, *sides, place=place)
    return call(function, *(typed_null(side, kind) for side in sides))


def require_equality(condition: Expr, clause: Clause, *, place: Place) -> None:
    """Refuse an equality in ON, other than one that joins, whose sides may not meet.

    Equalities of two columns are lowered unjudged, since a key may meet a key there.

    Raises:
        QueryRefusedError: They may not.
    """
    if isinstance(condition, Call) and condition.function == "=":
        compare("=", condition.args, clause, place=place)


def _lower_together(
    nodes: Sequence[Any], clause: Clause, *, place: Place, lower: Lower
) -> list[Expr]:
    """Lower the sides of a comparison; constants take the type of what they meet."""
    lowered = {
        number: lower(node, clause, near=place, identifier=True)
        for number, node in enumerate(nodes)
        if not is_constant_node(node)
    }
    types = [expr.type for expr in lowered.values() if expr.type != NULL]
    wanted = types[0] if types else ""
    return [
        lowered[number] if number in lowered else lower(node, clause, near=place, wanted=wanted)
        for number, node in enumerate(nodes)
    ]
