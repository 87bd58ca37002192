# SPDX-License-Identifier: Apache-2.0
"""Grouping of released rows: everything is public by then, so any aggregate may be computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import ColumnFacts, Level, sources_of
from cleanroom.admission.context.lowered import Lowered
from cleanroom.admission.expressions.aggregates import Call
from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.expr import Expr
from cleanroom.admission.typed.relation import GroupAggregate, GroupBy


class _Groups(Protocol):
    @property
    def sets(self) -> tuple[tuple[int, ...], ...]: ...

    @property
    def given(self) -> bool: ...

    @property
    def at(self) -> Place: ...


def group_released(
    lowered: Lowered,
    keys: Sequence[tuple[int, Expr]],
    calls: Mapping[Call, int],
    *,
    groups: _Groups,
    builder: Builder,
) -> Lowered:
    """Group released rows.

    Raises:
        QueryRefusedError: Several grouping sets, which are for releases themselves.
    """
    if groups.sets != (tuple(range(len(keys))),):
        refuse(
            "grouping-sets",
            "grouping sets of released rows",
            fix="group them in several subqueries joined by UNION ALL",
            place=groups.at,
        )
    for column, expr in keys:
        builder.columns[column] = ColumnFacts(
            type=expr.type, sources=sources_of(builder.columns, expr)
        )
    aggregates = tuple(
        GroupAggregate(
            column=column,
            function=made.function,
            args=made.args,
            filter=made.filter,
            distinct=made.distinct,
            type=made.type,
        )
        for made, column in calls.items()
    )
    relation = GroupBy(
        input=lowered.relation, keys=tuple(keys), aggregates=aggregates, always=not groups.given
    )
    return Lowered(relation=relation, level=Level.RELEASED, single=not groups.given)
