# SPDX-License-Identifier: Apache-2.0
"""The privacy units of a query: one for every protected input, each counted in every row.

Counting the unit of one side only is the oldest mistake: a join lends one
person's encounter the distinct identifiers of everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence

from cleanroom.admission.scope import Source
from cleanroom.admission.tree import JoinEquality, SourceColumn, UnitColumn
from cleanroom.contract.types import split_lineage


def units_of(sources: Sequence[Source], joins: Sequence[JoinEquality]) -> tuple[UnitColumn, ...]:
    """Find the unit columns, merging those of one owner that a join makes equal.

    Two owners may call their namespaces alike; each one's units are counted by themselves.
    """
    roots = {source.scan.index: source.scan.index for source in sources if source.scan.unit}
    for join in joins:
        if _equates_units(join, sources):
            kept, dropped = roots[join.earlier.scan], roots[join.later.scan]
            roots = {scan: kept if root == dropped else root for scan, root in roots.items()}
    return tuple(
        _unit(sources[root], members=[sources[scan] for scan in roots if roots[scan] == root])
        for root in sorted(set(roots.values()))
    )


def unit_of(column: SourceColumn, units: Sequence[UnitColumn]) -> int:
    """Return the index of the unit that a column identifies, or -1."""
    for index, unit in enumerate(units):
        if (column.scan, column.column.name) in unit.columns:
            return index
    return -1


def _equates_units(join: JoinEquality, sources: Sequence[Source]) -> bool:
    earlier, later = sources[join.earlier.scan].scan, sources[join.later.scan].scan
    return (
        earlier.unit == join.earlier.column.name
        and later.unit == join.later.column.name
        and earlier.namespace == later.namespace
        and split_lineage(earlier.lineage)[0] == split_lineage(later.lineage)[0]
    )


def _unit(first: Source, *, members: Sequence[Source]) -> UnitColumn:
    return UnitColumn(
        namespace=first.scan.namespace,
        source=first.column(first.scan.unit),
        columns=tuple((source.scan.index, source.scan.unit) for source in members),
        datasets=tuple(sorted({source.scan.lineage for source in members})),
    )
