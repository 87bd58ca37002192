# SPDX-License-Identifier: Apache-2.0
"""Clauses over rows: columns, and windows within one unit."""

from __future__ import annotations

from typing import Any

from cleanroom.admission.clauses.windows import lower_window
from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.clause import Clause
from cleanroom.admission.context.facts import (
    NOT_LOOKED_UP,
    ColumnFacts,
    Degree,
    Level,
    adds_up,
    counted_of,
    look_ups_of,
    sources_of,
)
from cleanroom.admission.context.influence import (
    MAX_BRANCHES,
    branches_of,
    degree_of,
    is_number,
    range_of,
)
from cleanroom.admission.context.parts import parts_of
from cleanroom.admission.context.tallies import summands
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import BOOLEAN, Expr, holds
from cleanroom.admission.typed.ranges import UNKNOWN

MAX_PARTS = 48  # of a number


class Rows(Clause):
    """A clause over the rows of a FROM clause.

    Attributes:
        selects: Whether it is the SELECT list by now, where window functions may stand.
    """

    selects = False

    def window(self, node: Any, *, place: Place) -> Expr:  # noqa: ANN401 - the engine's JSON
        """Lower a window function: over released rows any, over protected ones within a unit."""
        if not self.selects:
            return super().window(node, place=place)
        return lower_window(node, self, place=place)


def fact_of(
    expr: Expr, builder: Builder, *, level: Level, place: Place
) -> tuple[ColumnFacts, list[tuple[int, Expr]]]:
    """Describe a computed column.

    Returns:
        Its facts, and other columns that go with it in protected rows: booleans that say which
        branch its value took, and the parts that it is made of.

    Raises:
        QueryRefusedError: More of these than a release may have; each level of subqueries
            could double them.
    """
    columns = builder.columns
    branches = sorted(branches_of(expr, columns), key=repr) if level is Level.PROTECTED else []
    parts = parts_of(expr, columns) if level is Level.PROTECTED and is_number(expr.type) else ()
    if len(branches) > MAX_BRANCHES or len(parts) > MAX_PARTS:
        refuse(
            "branches",
            f"a column of more than {MAX_BRANCHES} conditions or {MAX_PARTS} parts",
            fix="use fewer CASE, and compute with fewer columns at a time",
            place=place,
        )
    needed: list[tuple[int, Expr]] = []
    for branch in branches:
        flag = builder.new(ColumnFacts(type=BOOLEAN, degree=Degree.LINEAR))
        needed.append((flag, holds(branch)))
    look_ups = look_ups_of(columns, expr) - {NOT_LOOKED_UP}
    made = [(part_column(part, builder), part) for part in parts]
    facts = ColumnFacts(
        type=expr.type,
        sources=sources_of(columns, expr),
        degree=degree_of(expr, columns),
        range=range_of(expr, columns) if is_number(expr.type) else UNKNOWN,
        branches=frozenset(flag for flag, _ in needed),
        look_up=next(iter(look_ups), NOT_LOOKED_UP),
        parts=frozenset(number for number, _ in made),
        counted=counted_of(columns, expr),
        added=adds_up(columns, expr),
        summands=summands(expr, columns) if level is Level.PROTECTED else 1,
    )
    return facts, [*needed, *made]


def part_column(part: Expr, builder: Builder) -> int:
    """Number the column that holds one part of a number; it is checked, and read by nobody."""
    return builder.new(
        ColumnFacts(type=part.type, degree=Degree.LINEAR, range=range_of(part, builder.columns))
    )
