# SPDX-License-Identifier: Apache-2.0
"""Read the statistics back: one group at a time, and nothing that contradicts itself.

The rows come from an engine that another process ran. They are checked like any
input: every group has every kind of unit, and totals agree whichever unit they
were added up over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from cleanroom.disclosure.layout import Layout, Part, VectorKind, VectorPlan
from cleanroom.errors import DisclosureRefusedError, IntegrityError
from cleanroom.kernel.record import dataclass

Key: TypeAlias = tuple[Any, ...]
_Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStatistics:
    """What the units of one kind contribute to one number of one group.

    All numbers are integers on the vector's grid.

    Attributes:
        plan: Which number.
        total: What is released of it.
        contributed: Sum of the contributions; more than the total if units share something.
        absolute: Sum of the absolute contributions.
        largest: The largest absolute contributions, largest first.
        support: Units whose contribution is not zero.
    """

    plan: VectorPlan
    total: int
    contributed: int
    absolute: int
    largest: tuple[int, ...]
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualValue:
    """What is known of the values of one measure.

    Attributes:
        constant: Units that add something.
        low: The smallest sums of one unit, or means of its rows, ascending.
        high: The largest ones, descending.
    """

    constant: int
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatistics:
    """One group, seen by one kind of unit.

    Attributes:
        units: Distinct units.
        vectors: What they contribute to each number.
        splits: How many units are on one side of something: they contribute to one number and
            not to another, contribute differently to two, or have a predicate true or false.
        usual: What is known of the sums of each measure.
        means: What is known of the means of each measure.
        sketches: Filled buckets of every vector that numbers are released from, as
            ``sketch.from_filled`` takes them; decoded only for rows that need them.
    """

    units: int
    vectors: tuple[VectorStatistics, ...]
    splits: tuple[int, ...]
    usual: tuple[UsualValue, ...]
    means: tuple[UsualValue, ...]
    sketches: Mapping[VectorPlan, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group, seen by every kind of unit.

    Attributes:
        number: Which grouping set it belongs to.
        key: Values of all keys; NULL where the set does not group by one.
        by_unit: Its statistics, one for each kind of unit.
        totals: What is released, on each vector's grid.
    """

    number: int
    key: Key
    by_unit: tuple[UnitStatistics, ...]
    totals: Mapping[VectorPlan, int]


def read_groups(
    rows: Sequence[Sequence[Any]], *, layout: Layout, max_groups: int
) -> tuple[Group, ...]:
    """Read all groups.

    Raises:
        DisclosureRefusedError: More groups than the limit.
        IntegrityError: Rows that contradict each other or the layout.
    """
    if len(rows) > max_groups * layout.rows_a_group:
        raise DisclosureRefusedError(
            f"groups: more than {max_groups}",
            code="disclosure.groups",
            hint="group by fewer columns",
        )
    width, codes = 1 + len(layout.shape.keys), layout.codes
    places = _places(layout)
    found: dict[tuple[int, Key], dict[int, _Row]] = defaultdict(dict)
    for row in rows:
        code, key = row[0], tuple(row[1:width])
        if code not in codes:
            _contradiction("a row of no known kind")
        part, number, _ = codes[code]
        names, start = places[part]
        group = found[number, key]
        if code in group:
            _contradiction("a group twice")
        values = row[width + start : width + start + len(names)]
        group[code] = dict(zip(names, values, strict=True))
    return tuple(
        _group(number, key, parts, layout=layout) for (number, key), parts in found.items()
    )


def _places(layout: Layout) -> Mapping[Part, tuple[Sequence[str], int]]:
    """Say which columns each part has, and where they start after the key."""
    found, start = {}, 0
    for part in (Part.STATISTICS, Part.SHARED, Part.SKETCHES):
        names = tuple(layout.names(part))
        found[part] = (names, start)
        start += len(names)
    return found


def _group(number: int, key: Key, parts: Mapping[int, _Row], *, layout: Layout) -> Group:
    expected = {code for code, (_, its, _) in layout.codes.items() if its == number}
    if set(parts) != expected:
        _contradiction("a group that not every kind of unit has")
    shared = parts.get(layout.code(Part.SHARED, number), {})
    found = [
        {
            **parts[layout.code(Part.STATISTICS, number, unit)],
            **parts.get(layout.code(Part.SKETCHES, number, unit), {}),
            **shared,
        }
        for unit in layout.units
    ]
    totals = {plan: _total(plan, found) for plan in layout.vectors}
    by_unit = tuple(_unit(row, layout=layout, totals=totals) for row in found)
    return Group(number=number, key=key, by_unit=by_unit, totals=totals)


def _total(plan: VectorPlan, found: Sequence[Mapping[str, Any]]) -> int:
    """Return the one total that all kinds of unit must agree on."""
    if plan.kind is VectorKind.UNITS:
        # Known from the table that has one row for each.
        return int(found[plan.index]["units"])
    name = "shared" if plan.kind is VectorKind.DISTINCT else "total"
    totals = {int(row[f"{plan.name}_{name}"]) for row in found}
    if len(totals) > 1:
        _contradiction("totals that depend on who is counted")
    return totals.pop()


def _unit(
    row: Mapping[str, Any], *, layout: Layout, totals: Mapping[VectorPlan, int]
) -> UnitStatistics:
    return UnitStatistics(
        units=row["units"],
        vectors=tuple(_vector(plan, row, totals[plan]) for plan in layout.vectors),
        splits=tuple(row[name] for name in layout.split_names()),
        usual=tuple(_usual(row, index, "low", "high") for index in layout.measures),
        means=tuple(_usual(row, index, "least", "most") for index in layout.measures),
        sketches=_sketches(row, layout=layout),
    )


def _vector(plan: VectorPlan, row: Mapping[str, Any], total: int) -> VectorStatistics:
    return VectorStatistics(
        plan=plan,
        total=total,
        contributed=int(row[f"{plan.name}_total"]),
        # A shared identifier counts once in the total, so the total, and not the larger sum
        # over units, is what a large contributor could subtract from.
        absolute=int(row[f"{plan.name}_absolute"]) if plan.signed else total,
        largest=_numbers(row[f"{plan.name}_largest"]),
        support=row[f"{plan.name}_support"],
    )


def _usual(row: Mapping[str, Any], index: int, low: str, high: str) -> UsualValue:
    return UsualValue(
        constant=row[f"usual{index}_units"],
        low=_numbers(row[f"usual{index}_{low}"]),
        high=_numbers(row[f"usual{index}_{high}"]),
    )


def _sketches(row: Mapping[str, Any], *, layout: Layout) -> Mapping[VectorPlan, str]:
    return {plan: row[f"{plan.name}_sketch"] for plan in layout.sketched}


def _numbers(values: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(values or ())


def _contradiction(found: str) -> NoReturn:
    raise IntegrityError(f"statistics: found {found}", code="disclosure.statistics")
