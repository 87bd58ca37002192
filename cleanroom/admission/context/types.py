# SPDX-License-Identifier: Apache-2.0
"""Types of expressions: what meets what, so that the engine never converts by itself."""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.admission.context.influence import is_number
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import INTERVAL, Expr, Literal

NULL = "null"
_MOMENTS = frozenset({"date", "timestamp"})


def common_type(exprs: Sequence[Expr], *, what: str, place: Place) -> str:
    """Return the one type that several values have or can be given without loss.

    Raises:
        QueryRefusedError: Values of types that do not meet.
    """
    kinds = {expr.type for expr in exprs} - {NULL}
    for expr in exprs:
        refuse_interval(expr, what=what, place=place)
    if len(kinds) <= 1:
        return next(iter(kinds), "string")
    if all(is_number(kind) for kind in kinds):
        return "double"
    if kinds <= _MOMENTS:
        return "timestamp"
    return refuse(
        "type",
        f"{what} of {' and '.join(sorted(kinds))}",
        fix="give all of them one type, with CAST if need be",
        place=place,
    )


def refuse_interval(expr: Expr, *, what: str, place: Place) -> None:
    """Refuse a span of time as a value: it may only be added to a moment.

    Raises:
        QueryRefusedError: It is one.
    """
    if expr.type == INTERVAL:
        refuse(
            "type",
            f"{what} of an interval",
            fix="add intervals to dates and timestamps only; count days with date_diff",
            place=place,
        )


def typed_null(expr: Expr, kind: str) -> Expr:
    """Give a NULL without a type the type that it stands for."""
    if isinstance(expr, Literal) and expr.type == NULL:
        return Literal(value=None, type=kind)
    return expr


def require_type(expr: Expr, wanted: str, *, what: str, place: Place) -> None:
    """Refuse a value of another type.

    Args:
        expr: The value.
        wanted: A type, or ``number``, ``time`` or ``any``.
        what: What refusals call it.
        place: Where it stands.

    Raises:
        QueryRefusedError: Another type.
    """
    fits = {
        "number": is_number(expr.type),
        "time": expr.type in _MOMENTS,
        "any": True,
    }.get(wanted, expr.type == wanted)
    if not fits and expr.type != NULL:
        refuse(
            "type",
            f"{what} is a {expr.type}, not a {wanted}",
            fix=f"give it a {wanted}, with CAST if need be",
            place=place,
        )
