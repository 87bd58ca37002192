# SPDX-License-Identifier: Apache-2.0
"""What a number counts beside what it measures, in how many of a person's rows.

``sum(CASE kind WHEN 'a' THEN 2 * x WHEN 'b' THEN 1 WHEN 'c' THEN -1 END)`` adds up rows of one
person under three conditions. Each holds for many; what tells of one person is a combination of
how often they hold. So these counts are carried with the number, through groupings by unit and
windows, and meet where it is released.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import ColumnFacts, Columns, Degree
from cleanroom.admission.context.influence import MAX_BRANCHES, range_of
from cleanroom.admission.typed.expr import (
    TRUE,
    Call,
    Case,
    Expr,
    Literal,
    Ref,
    both,
    call,
    children,
    holds,
)
from cleanroom.admission.typed.ranges import COUNTS
from cleanroom.admission.typed.relation import WindowCall

SEVERAL = 3  # two of them can be asked for by themselves, and are compared then

_COUNT = ColumnFacts(type="integer", degree=Degree.LINEAR, range=COUNTS)


def summands(expr: Expr, columns: Columns) -> int:
    """Count the things that a number adds up, or is one of: constants, and what is not nothing."""
    if isinstance(expr, Literal):
        return int(bool(expr.value))
    if isinstance(expr, Ref):
        return columns[expr.column].summands
    if expr.type == "boolean":
        return 1
    if isinstance(expr, Case):
        values = (*(value for _, value in expr.arms), expr.otherwise)
        return sum(summands(value, columns) for value in values)
    found = [summands(part, columns) for part in children(expr)]
    if isinstance(expr, Call) and expr.function == "nullif":
        return found[0]  # the other one is never its value
    if isinstance(expr, Call) and expr.function in {"*", "/"}:
        return max(found)
    return max(1, sum(found))


def counted_where(conditions: Iterable[Expr], values: Iterable[Expr] = ()) -> frozenset[Expr]:
    """Return the conditions under which a row counts: without a value, it adds nothing.

    Each of them is a branch beside those it is made of. Of more than half as many as a release may
    have, it is counted how often each holds, and how often there is a value.
    """
    present: Expr = TRUE
    for value in values:
        present = both(present, call("present", value))
    found = frozenset(holds(item) for item in conditions)
    if 2 * len(found) > MAX_BRANCHES:
        return found | {present}
    return frozenset(both(item, present) for item in found)


def only_counts(expr: Expr, columns: Columns) -> bool:
    """Tell whether a part of a number says how often something was, and measures nothing."""
    return range_of(expr, columns).weight is not None


def counted_calls(
    made: WindowCall, conditions: Iterable[Expr], builder: Builder
) -> list[WindowCall]:
    """Count in how many of a window's rows which condition holds, of what a sum adds up."""
    if made.function != "sum" or summands(made.args[0], builder.columns) <= 1:
        return []
    counted = sorted(counted_where(conditions, made.args), key=repr)
    new = builder.new
    return [
        replace(made, column=new(_COUNT), function="count_if", args=(item,), type="integer")
        for item in counted
    ]
