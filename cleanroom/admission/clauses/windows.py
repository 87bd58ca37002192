# SPDX-License-Identifier: Apache-2.0
"""Window functions: over released rows freely, over protected rows within one unit only.

Partitioned by the unit's key, a window sees rows of one person, so what it computes is
about this person. Any other window compares people and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import (
    NOT_LOOKED_UP,
    ColumnFacts,
    Degree,
    Level,
    adds_up,
    counted_of,
    identifiers_of,
    look_ups_of,
    sources_of,
)
from cleanroom.admission.context.influence import branches_of, degree_of, is_number, range_of
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.context.meetings import meeting
from cleanroom.admission.context.parts import parts_of
from cleanroom.admission.context.tallies import counted_calls
from cleanroom.admission.context.types import NULL, refuse_interval, require_type
from cleanroom.admission.expressions.calls import arguments
from cleanroom.admission.expressions.values import read_integer
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.syntax.describe import shown
from cleanroom.admission.syntax.node import PLACED, Node, Shape, open_node
from cleanroom.admission.typed.expr import BOOLEAN, Expr, Literal, Ref, fails, holds, refs
from cleanroom.admission.typed.functions import (
    AGGREGATE_ALIASES,
    GROUP_AGGREGATES,
    NUMBER,
    PICKING,
    RELEASED_AGGREGATES,
    SAME,
    WINDOW_FUNCTIONS,
)
from cleanroom.admission.typed.ranges import COUNTS, INDICATOR, UNKNOWN, Range, summed
from cleanroom.admission.typed.relation import Order, WindowCall
from cleanroom.contract.policy_terms import Role

MAX_WINDOWS = 32
_OF_PARTS = frozenset({"sum", "avg", "min", "max", "lag", "lead", "first_value", "last_value"})

_WINDOW = Shape(
    used=PLACED
    | {
        "type",
        "function_name",
        "qualified_name",
        "start",
        "end",
        "start_expr",
        "end_expr",
        "offset_expr",
        "default_expr",
        "filter_expr",
        "distinct",
    },
    lists=frozenset({"partitions", "orders", "arguments"}),
    neutral={
        "alias": "",
        "class": "WINDOW",
        "schema": "",
        "catalog": "",
        "ignore_nulls": False,
        "has_ignore_nulls": False,
        "exclude_clause": "NO_OTHER",
        "arg_orders": [],
    },
)
ORDER = Shape(used=frozenset({"type", "null_order", "expression"}), neutral={})
_DIRECTIONS = {"ORDER_DEFAULT": False, "ASCENDING": False, "DESCENDING": True}
_NULLS = {"ORDER_DEFAULT": False, "NULLS FIRST": True, "NULLS LAST": False}
_BOUNDS = {
    "UNBOUNDED_PRECEDING": ("UNBOUNDED PRECEDING", ""),
    "UNBOUNDED_FOLLOWING": ("UNBOUNDED FOLLOWING", ""),
    "CURRENT_ROW_ROWS": ("CURRENT ROW", "ROWS"),
    "CURRENT_ROW_RANGE": ("CURRENT ROW", "RANGE"),
    "EXPR_PRECEDING_ROWS": ("PRECEDING", "ROWS"),
    "EXPR_FOLLOWING_ROWS": ("FOLLOWING", "ROWS"),
}


def lower_window(node: Any, clause: Clause, *, place: Place) -> Expr:  # noqa: ANN401
    """Lower one window function.

    Raises:
        QueryRefusedError: A function or frame that is not admitted, or rows of several units.
    """
    opened = open_node(node, _WINDOW, place=place)
    name = _name(opened, clause, place=place)
    if clause.level is Level.PUBLIC:
        refuse("window", "a window over public rows", fix="aggregate them first", place=place)
    args = [_lower(item, clause, place=place) for item in arguments(opened, place=place)]
    for arg in args:
        refuse_interval(arg, what="a window", place=place)
    partition = tuple(
        _lower(item, clause, place=place, identifier=True) for item in opened["partitions"]
    )
    order = tuple(order_key(item, clause, near=place) for item in opened["orders"])
    _require_unit(clause, partition, place=place)
    if name == "count" and not args:
        name = "count_star"
    kind = _result_type(name, args, place=place)
    frame = _frame(opened, place=place)
    placing = (*(item.expr for item in order), *partition)
    if look_ups_of(clause.builder.columns, *args, *placing) - {NOT_LOOKED_UP}:
        refuse(
            "look-up",
            "a public column in a window over protected rows",
            fix="look up after the window, in the query around it",
            place=place,
        )
    if refs(*args, *placing) & {item.column for item in clause.windows}:
        refuse(
            "window",
            "a window over a window",
            fix="compute the inner one in a subquery",
            place=place,
        )
    sources = sources_of(clause.builder.columns, *args, *placing)
    # A condition on the window, in QUALIFY for example, depends on all that places its rows.
    sources = frozenset(source for source in sources if not source.is_identifier)
    column = clause.builder.new(ColumnFacts(type=kind, sources=sources))
    made = WindowCall(
        column=column,
        function=name,
        args=tuple(args),
        partition=partition,
        order=order,
        frame=frame,
        type=kind,
    )
    clause.windows.append(made)
    clause.described.append(lambda lowered: _describe(made, clause, lowered, place=place))
    _require_few(clause, place=place)
    return Ref(column=column, type=kind)


def _lower(node: Any, clause: Clause, *, place: Place, identifier: bool = False) -> Expr:  # noqa: ANN401
    from cleanroom.admission.expressions.lower import lower  # noqa: PLC0415 - they know each other

    return lower(node, clause, near=place, identifier=identifier)


def order_key(node: Any, clause: Clause, *, near: Place) -> Order:  # noqa: ANN401
    """Lower one key of an order.

    Raises:
        QueryRefusedError: Not an order that the gate knows.
    """
    opened = open_node(node, ORDER, place=near)
    expr = _lower(opened["expression"], clause, place=near)
    return Order(
        expr=expr,
        descending=direction(opened, place=near),
        nulls_first=nulls_first(opened, place=near),
    )


def direction(opened: Node, *, place: Place) -> bool:
    """Read whether an order is descending."""
    if opened["type"] not in _DIRECTIONS:
        refuse("order-by", "an order of another kind", fix="write ASC or DESC", place=place)
    return _DIRECTIONS[opened["type"]]


def nulls_first(opened: Node, *, place: Place) -> bool:
    """Read where NULL stands: last, unless the query says otherwise."""
    if opened["null_order"] not in _NULLS:
        refuse("order-by", "an order of NULL of another kind", fix="leave it out", place=place)
    return _NULLS[opened["null_order"]]


def _name(opened: Node, clause: Clause, *, place: Place) -> str:
    written = str(opened["function_name"]).lower()
    name = AGGREGATE_ALIASES.get(written, written)
    plain = (
        opened["qualified_name"] == {"path": [opened["function_name"]]}
        and opened["distinct"] is False
        and opened["filter_expr"] is None
        and opened["offset_expr"] is None
        and opened["default_expr"] is None
    )
    protected = clause.level is Level.PROTECTED
    aggregates = GROUP_AGGREGATES if protected else RELEASED_AGGREGATES
    if not plain or name not in {*WINDOW_FUNCTIONS, *aggregates}:
        refuse(
            "window",
            f"the window function {shown(opened['function_name'])} in this form",
            fix="use row_number, rank, lag, lead, sum, avg, count, min or max",
            place=place,
        )
    return name


def _require_unit(clause: Clause, partition: tuple[Expr, ...], *, place: Place) -> None:
    if clause.level is not Level.PROTECTED:
        return
    if not any(_identifies_unit(expr, clause) for expr in partition):
        refuse(
            "window",
            "a window over rows of several units",
            fix="write PARTITION BY the unit's key, or aggregate with GROUP BY first",
            place=place,
        )


def _identifies_unit(expr: Expr, clause: Clause) -> bool:
    found = identifiers_of(clause.builder.columns, expr)
    return any(item.identifies and item.role is Role.KEY for item in found)


def _result_type(name: str, args: list[Expr], *, place: Place) -> str:
    declared = WINDOW_FUNCTIONS.get(name) or RELEASED_AGGREGATES[name]
    wanted = _argument_count(name)
    if len(args) not in wanted:
        refuse(
            "arguments", f"{name} with {len(args)} arguments", fix="give it one column", place=place
        )
    if name == "ntile" or (name in {"lag", "lead"} and len(args) != 1):
        _require_count(name, args[-1], place=place)
    if declared in {NUMBER, "double"} and args:
        require_type(args[0], "number", what=f"the argument of {name}", place=place)
    if name in {"bool_or", "bool_and", "count_if"}:
        require_type(args[0], BOOLEAN, what=f"the argument of {name}", place=place)
    if declared == SAME:
        return args[0].type if args[0].type != NULL else "string"
    if declared == NUMBER:
        return args[0].type if args[0].type == "integer" else "double"
    return declared


def _require_count(name: str, arg: Expr, *, place: Place) -> None:
    """Refuse a number that the engine could stumble over: its error would tell that rows exist."""
    if not isinstance(arg, Literal) or type(arg.value) is not int or arg.value < 1:
        refuse(
            "constant",
            f"{name} by another thing than a positive whole number",
            fix="write a number, 4 for example",
            place=place,
        )


def _argument_count(name: str) -> frozenset[int]:
    if name in {"lag", "lead"}:
        return frozenset({1, 2})
    none = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "count_star"}
    return frozenset({0}) if name in none else frozenset({1})


def _frame(opened: Node, *, place: Place) -> str:
    """Write the frame from a closed list; empty for what the engine takes by itself."""
    sides: list[str] = []
    units: set[str] = set()
    for side in ("start", "end"):
        if opened[side] not in _BOUNDS:
            refuse("window", "a frame of another kind", fix="use ROWS BETWEEN", place=place)
        text, unit = _BOUNDS[opened[side]]
        bound = opened[f"{side}_expr"]
        if text in {"PRECEDING", "FOLLOWING"}:
            number = read_integer(bound, what="a frame", place=place)
            text = f"{max(0, number)} {text}"
        elif bound is not None:
            refuse("window", "a frame of another kind", fix="use ROWS BETWEEN", place=place)
        sides.append(text)
        units |= {unit} - {""}
    if sides == ["UNBOUNDED PRECEDING", "CURRENT ROW"] and units == {"RANGE"}:
        return ""
    if len(units) > 1:
        refuse("window", "a frame of mixed kinds", fix="use ROWS BETWEEN", place=place)
    return f"{next(iter(units), 'ROWS')} BETWEEN {sides[0]} AND {sides[1]}"


def _require_few(clause: Clause, *, place: Place) -> None:
    if len(clause.windows) > MAX_WINDOWS:
        refuse(
            "windows",
            f"more than {MAX_WINDOWS} windows and conditions inside them",
            fix="use fewer",
            place=place,
        )


def _describe(made: WindowCall, clause: Clause, lowered: Lowered, *, place: Place) -> None:
    """Write down the facts of a window's column; those of aggregates below are known by now."""
    if clause.level is not Level.PROTECTED:
        return
    columns = clause.builder.columns
    weighing = (
        frozenset() if made.function in PICKING else clause.builder.protected(lowered.lineages)
    )
    placing = (*(item.expr for item in made.order), *made.partition)
    degrees = [degree_of(expr, columns) for expr in (*made.args, *placing)]
    conditions = _conditions(made, placing, clause)
    met = {
        condition
        for group in lowered.inputs
        for condition in meeting(group, conditions, columns, values=made.args, place=place)
    }
    tallies = counted_calls(made, met or conditions, clause.builder)
    met = set() if tallies else met
    branches = _branches(made, conditions, met, clause)
    clause.windows += branches
    parts = _parts(made, clause)
    clause.windows += [*parts, *tallies]
    _require_few(clause, place=place)
    columns[made.column] = replace(
        columns[made.column],
        parts=_numbered(tallies) | (_numbered(parts) or ({made.column} if tallies else set())),
        degree=max([Degree.LINEAR, *degrees]),
        range=_range(made, clause),
        branches=frozenset(item.column for item in branches),
        counted=counted_of(columns, *made.args) | weighing,
        added=bool(met) or adds_up(columns, *made.args, *placing),
    )


def _range(made: WindowCall, clause: Clause) -> Range:
    if not is_number(made.type):
        return UNKNOWN
    if made.function in {"percent_rank", "cume_dist"}:
        return replace(INDICATOR, scale=None)
    if not made.args or made.function in {"count", "ntile", "count_if"}:
        return COUNTS
    found = range_of(made.args[0], clause.builder.columns)
    if made.function == "avg":
        return replace(found, scale=None, exact=False)
    return summed(found) if made.function == "sum" else found


def _branches(
    made: WindowCall, conditions: Iterable[Expr], met: Iterable[Expr], clause: Clause
) -> list[WindowCall]:
    """Let conditions travel with a window: whether they hold, or fail, in any of its rows.

    Of those that rows of several inputs of a union add up it matters for whom they hold.
    """
    flags = [flag for item in sorted(conditions, key=repr) for flag in (holds(item), fails(item))]
    flags += [flag for item in sorted(met, key=repr) if (flag := holds(item)) not in flags]
    # Of a unit as a whole, and no part of it, each is the same in all rows.
    whole = all(_identifies_unit(expr, clause) for expr in made.partition)
    facts = ColumnFacts(type=BOOLEAN, degree=Degree.LINEAR, of_unit=whole)
    return [
        WindowCall(
            column=clause.builder.new(facts),
            function="bool_or",
            args=(flag,),
            partition=made.partition,
            order=(),
            frame="",
            type=BOOLEAN,
        )
        for flag in flags
    ]


def _parts(made: WindowCall, clause: Clause) -> list[WindowCall]:
    """Compute a window of each part of its argument as well."""
    columns = clause.builder.columns
    if made.function not in _OF_PARTS or not is_number(made.type):
        return []
    calls = [replace(made, args=(part, *made.args[1:])) for part in parts_of(made.args[0], columns)]
    return [replace(item, column=_part_column(item, clause)) for item in calls]


def _numbered(calls: Iterable[WindowCall]) -> frozenset[int]:
    return frozenset(item.column for item in calls)


def _part_column(made: WindowCall, clause: Clause) -> int:
    facts = ColumnFacts(type=made.type, degree=Degree.LINEAR, range=_range(made, clause))
    return clause.builder.new(facts)


def _conditions(made: WindowCall, placing: tuple[Expr, ...], clause: Clause) -> frozenset[Expr]:
    """Return what decides about a window's value besides the values that it sees.

    A rank by ``dx = 'A'`` tells who has that diagnosis as much as a CASE does, and so does a
    count of the rows that agree on it.
    """
    columns = clause.builder.columns
    tested = (*placing, *made.args) if made.function == "count_if" else placing
    found = {branch for expr in (*made.args, *placing) for branch in branches_of(expr, columns)}
    return frozenset(found | {expr for expr in tested if expr.type == BOOLEAN})
