# SPDX-License-Identifier: Apache-2.0
"""Aggregates as they are written: which ones may be, where, and of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import Level, identifiers_of
from cleanroom.admission.context.types import NULL, refuse_interval, require_type
from cleanroom.admission.expressions.calls import NO_ORDER, arguments
from cleanroom.admission.expressions.lower import lower, lower_condition
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import Node
from cleanroom.admission.typed.expr import BOOLEAN, TRUE, Expr
from cleanroom.admission.typed.functions import (
    GROUP_AGGREGATES,
    NUMBER,
    PAIRED,
    RELEASED_AGGREGATES,
    RELEASES,
    SAME,
)
from cleanroom.contract.policy_terms import Role
from cleanroom.kernel.record import dataclass

_COUNTED = frozenset({"count", "approx_count_distinct"})
_CONDITIONS = frozenset({"count_if", "bool_or", "bool_and"})
_FIX_DEFERRED = (
    "of one unit's rows, use count, sum, avg, min, max, bool_or or bool_and; for the first or last "
    "row keep QUALIFY row_number() OVER (PARTITION BY key ORDER BY day) = 1"
)
_FIX_RELEASED = (
    "of released rows, use count, sum, avg, min, max, median, stddev, variance, corr, bool_or or "
    "bool_and; max(x) gives a value that all of them share"
)
_COUNTS = frozenset({"count_star", "count", "count_if", "approx_count_distinct", "regr_count"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One aggregate over the rows of a group; equal ones are computed once."""

    function: str
    args: tuple[Expr, ...]
    filter: Expr
    distinct: bool
    type: str


def lower_aggregate(
    node: Node, name: str, rows: Clause, *, level: Level, deferred: bool, place: Place
) -> Call:
    """Lower one aggregate.

    Raises:
        QueryRefusedError: Not one that is safe where it stands.
    """
    _require_allowed(name, level, deferred=deferred, place=place)
    if node["order_bys"] != NO_ORDER:
        refuse("order-by", "ORDER BY in an aggregate", fix="leave it out", place=place)
    condition = (
        TRUE if node["filter"] is None else lower_condition(node["filter"], rows, near=place)
    )
    args = tuple(_argument(name, item, rows, place) for item in arguments(node, place=place))
    for arg in args:
        refuse_interval(arg, what="an aggregate", place=place)
    if any(arg.type == NULL for arg in args):
        refuse("constant", "an aggregate of NULL", fix="aggregate a column", place=place)
    wanted = 0 if name == "count_star" else 2 if name in PAIRED else 1
    if len(args) != wanted:
        refuse(
            "arguments",
            f"{name} with {len(args)} arguments",
            fix=f"give it {wanted}",
            place=place,
        )
    distinct = _distinct(
        node, name, args, rows, releases=not deferred and level is not Level.RELEASED, place=place
    )
    return Call(
        function="count" if name == "approx_count_distinct" else name,
        args=args,
        filter=condition,
        distinct=distinct,
        type=_type(name, args, _table(level, deferred=deferred), place=place),
    )


def _argument(name: str, node: object, rows: Clause, place: Place) -> Expr:
    if name in _CONDITIONS:
        return lower_condition(node, rows, near=place)
    return lower(node, rows, near=place, identifier=name in _COUNTED)


def _table(level: Level, *, deferred: bool) -> Mapping[str, str]:
    if deferred:
        return GROUP_AGGREGATES
    if level is Level.RELEASED:
        return {**RELEASED_AGGREGATES, **dict.fromkeys(PAIRED, "double")}
    return {name: "integer" if name in _COUNTS else "double" for name in RELEASES}


def _require_allowed(name: str, level: Level, *, deferred: bool, place: Place) -> None:
    if name in _table(level, deferred=deferred):
        return
    if deferred or level is Level.RELEASED:
        refuse(
            "function",
            f"the aggregate {shown(name)} here",
            fix=_FIX_DEFERRED if deferred else _FIX_RELEASED,
            place=place,
        )
    _refuse_value(name, place=place)


def _refuse_value(name: str, *, place: Place) -> NoReturn:
    refuse(
        "value-aggregate",
        f"{shown(name)}, which can give away a value of one person",
        fix="use count, sum, avg or stddev; or compute it for each unit in a subquery that is "
        "grouped by the unit's key, and aggregate that",
        place=place,
    )


def _distinct(
    node: Node, name: str, args: tuple[Expr, ...], rows: Clause, *, releases: bool, place: Place
) -> bool:
    distinct = node["distinct"] or name == "approx_count_distinct"
    if not distinct or not releases:
        return distinct
    identifiers = identifiers_of(rows.builder.columns, args[0]) if args else ()
    if name not in _COUNTED:
        refuse(
            "distinct",
            f"DISTINCT in {name}",
            fix="use DISTINCT in count of a key or row id only",
            place=place,
        )
    if not any(item.role in {Role.KEY, Role.ROW_ID} for item in identifiers):
        # The number of distinct values of anything else can hang on one person.
        refuse(
            "count-distinct",
            "count(DISTINCT ...) of what is not a key or row id",
            fix="count(DISTINCT key), or group by the column and count the released groups",
            place=place,
        )
    return True


def _type(name: str, args: tuple[Expr, ...], table: Mapping[str, str], *, place: Place) -> str:
    declared = table[name]
    if name in _COUNTS:
        return "integer"
    if declared in {NUMBER, "double"}:
        for arg in args:
            require_type(arg, "number", what=f"the argument of {name}", place=place)
    if declared == NUMBER:
        return "integer" if args[0].type == "integer" else "double"
    if declared == SAME:
        return args[0].type if args[0].type != NULL else "string"
    return BOOLEAN if declared == "boolean" else declared
