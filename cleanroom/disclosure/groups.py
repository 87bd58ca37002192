# SPDX-License-Identifier: Apache-2.0
"""Read the statistics back: one group at a time, and nothing that contradicts itself.

The rows come from an engine that another process ran. They are checked like any
input: every group has every kind of unit, and totals agree whichever unit they
were added up over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from cleanroom.disclosure.layout import Layout, VectorKind, VectorPlan
from cleanroom.disclosure.past import FINGERPRINT_BYTES
from cleanroom.disclosure.statistics_sql import SHARED
from cleanroom.errors import DisclosureRefusedError, IntegrityError

Number: TypeAlias = int | Decimal
Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStatistics:
    """What the units of one kind contribute to one number of one group.

    Attributes:
        plan: Which number.
        total: What is released of it.
        absolute: Sum of the absolute contributions.
        largest: The largest absolute contributions, largest first.
        support: Units whose contribution is not zero.
        fingerprints: Sorted fingerprints of (unit, contribution).
    """

    plan: VectorPlan
    total: Number
    absolute: Number
    largest: tuple[Number, ...]
    support: int
    fingerprints: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualValue:
    """What is known of the values of one measure.

    Attributes:
        constant: Units all of whose rows have one value.
        low: The smallest such values, ascending.
        high: The largest such values, descending.
    """

    constant: int
    low: tuple[Number, ...]
    high: tuple[Number, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatistics:
    """One group, seen by one kind of unit.

    Attributes:
        units: Distinct units.
        vectors: What they contribute to each number.
        masks: Which arguments they contribute to, and how many units to each.
        usual: What is known of the values of each measure.
        branches: Units with each predicate true, and units with it false.
    """

    units: int
    vectors: tuple[VectorStatistics, ...]
    masks: Mapping[int, int]
    usual: tuple[UsualValue, ...]
    branches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group, seen by every kind of unit."""

    key: Key
    by_unit: tuple[UnitStatistics, ...]


def read_groups(
    rows: Sequence[Sequence[Any]], *, layout: Layout, max_groups: int
) -> tuple[Group, ...]:
    """Read all groups.

    Raises:
        DisclosureRefusedError: More groups than the limit.
        IntegrityError: Rows that contradict each other or the layout.
    """
    if len(rows) > max_groups * layout.selects:
        raise DisclosureRefusedError(
            f"groups: more than {max_groups}",
            code="disclosure.groups",
            hint="group by fewer columns",
        )
    width = len(layout.shape.keys)
    found: dict[Key, dict[int, Sequence[Any]]] = {}
    for row in rows:
        unit, key = row[0], tuple(row[1 : 1 + width])
        if unit in found.setdefault(key, {}):
            _contradiction("a group twice")
        found[key][unit] = row[1 + width :]
    return tuple(_group(key, found[key], layout=layout) for key in found)


def _group(key: Key, rows: Mapping[int, Sequence[Any]], *, layout: Layout) -> Group:
    units = range(max(1, len(layout.shape.units)))
    expected = {*units, SHARED} if layout.shared else set(units)
    if set(rows) != expected:
        _contradiction("a group that not every kind of unit has")
    by_unit = tuple(_unit(rows[unit], layout=layout) for unit in units)
    if layout.shared:
        by_unit = _with_shared_totals(by_unit, rows[SHARED], layout=layout)
    by_unit = _with_counted_units(by_unit)
    _require_agreement(by_unit)
    return Group(key=key, by_unit=by_unit)


def _unit(row: Sequence[Any], *, layout: Layout) -> UnitStatistics:
    values = iter(row)
    units = next(values)
    vectors = tuple(_vector(plan, values, units=units) for plan in layout.vectors)
    masks = dict(zip(next(values), next(values), strict=True))
    usual = tuple(
        UsualValue(constant=next(values), low=_numbers(next(values)), high=_numbers(next(values)))
        for _ in layout.measures
    )
    branches = tuple((next(values), next(values)) for _ in range(layout.shape.branches))
    return UnitStatistics(units=units, vectors=vectors, masks=masks, usual=usual, branches=branches)


def _vector(plan: VectorPlan, values: Iterator[Any], *, units: int) -> VectorStatistics:
    if plan.kind is VectorKind.MEMBERS:
        total, absolute, largest, support = units, units, [1], units
    else:
        total, absolute, largest, support = (next(values) for _ in range(4))
    return VectorStatistics(
        plan=plan,
        total=total,
        absolute=absolute,
        largest=_numbers(largest),
        support=support,
        fingerprints=_sorted_fingerprints(next(values)),
    )


def _numbers(values: Sequence[Number] | None) -> tuple[Number, ...]:
    return tuple(values or ())


def _sorted_fingerprints(text: str | None) -> bytes:
    packed = bytes.fromhex(text or "")
    form = f">{len(packed) // FINGERPRINT_BYTES}Q"
    return struct.pack(form, *sorted(struct.unpack(form, packed)))


def _with_shared_totals(
    by_unit: tuple[UnitStatistics, ...], row: Sequence[Any], *, layout: Layout
) -> tuple[UnitStatistics, ...]:
    values = iter(row)
    next(values)
    totals = {
        statistics.plan: statistics.total
        for statistics in (_vector(plan, values, units=0) for plan in layout.vectors)
        if statistics.plan.kind is VectorKind.DISTINCT
    }
    return _with_totals(by_unit, totals)


def _with_counted_units(by_unit: tuple[UnitStatistics, ...]) -> tuple[UnitStatistics, ...]:
    """The number of distinct units is known from the table that has one row for each."""
    totals = {
        vector.plan: by_unit[vector.plan.index].units
        for vector in by_unit[0].vectors
        if vector.plan.kind is VectorKind.UNITS
    }
    return _with_totals(by_unit, totals)


def _with_totals(
    by_unit: tuple[UnitStatistics, ...], totals: Mapping[VectorPlan, Number]
) -> tuple[UnitStatistics, ...]:
    return tuple(
        replace(
            statistics,
            vectors=tuple(
                # A shared identifier counts once in the total, so the total, and not the
                # larger sum over units, is what a large contributor could subtract from.
                replace(vector, total=totals[vector.plan], absolute=totals[vector.plan])
                if vector.plan in totals
                else vector
                for vector in statistics.vectors
            ),
        )
        for statistics in by_unit
    )


def _require_agreement(by_unit: tuple[UnitStatistics, ...]) -> None:
    for statistics in by_unit:
        for vector, first in zip(statistics.vectors, by_unit[0].vectors, strict=True):
            if vector.plan.kind is not VectorKind.MEMBERS and vector.total != first.total:
                _contradiction("totals that depend on who is counted")


def _contradiction(found: str) -> NoReturn:
    raise IntegrityError(f"statistics: found {found}", code="disclosure.statistics")
