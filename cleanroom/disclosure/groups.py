# SPDX-License-Identifier: Apache-2.0
"""Read the statistics back: one group at a time, and nothing that contradicts itself.

The rows come from an engine that another process ran. They are checked like any
input: every group has every kind of unit, and totals agree whichever unit they
were added up over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from cleanroom.disclosure.lattice import Ways
from cleanroom.disclosure.layout import MAX_WAYS, WAYS, Layout, Part, VectorKind, VectorPlan
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
        meetings: How many units have which counts of what one number adds up.
        usual: What is known of the sums of each measure.
        means: What is known of the means of each measure.
        sketches: Filled buckets of every vector that numbers are released from, as
            ``sketch.from_filled`` takes them; decoded only for rows that need them.
    """

    units: int
    vectors: tuple[VectorStatistics, ...]
    splits: tuple[int, ...]
    meetings: tuple[Ways, ...]
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
    reader = _Reader(layout)
    found: defaultdict[tuple[int, Key], dict[int, _Row]] = defaultdict(dict)
    for row in rows:
        reader.file(row, found)
    return tuple(reader.group(number, key, parts) for (number, key), parts in found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What the columns of one vector are called; put together once and not for every group."""

    plan: VectorPlan
    total: str
    absolute: str
    largest: str
    support: str
    agreed: str
    valued: str
    low: str
    high: str


class _Reader:
    """Reads the rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._width = 1 + len(layout.shape.keys)
        self._codes = layout.codes
        self._places = _places(layout)
        extremes = layout.extremes
        self._vectors = tuple(_columns(plan, extremes) for plan in layout.vectors)
        self._derived = tuple(layout.derived.items())
        self._largest = layout.largest
        self._splits = tuple(layout.split_names())
        self._sketches = tuple((plan, f"{plan.name}_sketch") for plan in layout.sketched)
        self._usual = tuple(map(_usual_columns("low", "high"), layout.measures))
        self._means = tuple(map(_usual_columns("least", "most"), layout.measures))
        self._expected = {
            number: {code for code, (_, its, _) in self._codes.items() if its == number}
            for number in range(len(layout.shape.sets))
        }
        self._shared = {number: layout.code(Part.SHARED, number) for number in self._expected}
        self._by_unit = {
            number: [
                (
                    layout.code(Part.STATISTICS, number, unit),
                    layout.code(Part.SKETCHES, number, unit),
                    layout.met(number, unit),
                )
                for unit in layout.units
            ]
            for number in self._expected
        }

    def file(
        self, row: Sequence[Any], found: defaultdict[tuple[int, Key], dict[int, _Row]]
    ) -> None:
        """Put a row to its group.

        Raises:
            IntegrityError: A row of no known kind, or one that is there already.
        """
        code, key = row[0], tuple(row[1 : self._width])
        if code not in self._codes:
            _contradiction("a row of no known kind")
        part, number, _ = self._codes[code]
        names, start = self._places[part]
        group = found[number, key]
        if code in group:
            _contradiction("a group twice")
        values = row[self._width + start : self._width + start + len(names)]
        group[code] = dict(zip(names, values, strict=True))
        if part is Part.STATISTICS:
            self._derive(group[code])

    def _derive(self, row: _Row) -> None:
        """Add the statistics that follow from others."""
        for name, (of, less) in self._derived:
            row[name] = row[of] - (row[less] if less else 0)
        for columns in self._vectors:
            if columns.low:
                row[columns.largest] = self._largest_of(columns, row)

    def _largest_of(self, columns: _Columns, row: _Row) -> list[int]:
        """Find the largest absolute contributions among the smallest and the largest ones.

        Whoever is among the n largest by size is among the n smallest or the n largest. Units
        without a value contribute nothing, and stand in the list as such.
        """
        low, high = row[columns.low] or [], row[columns.high] or []
        # Where there are few units, both lists name some of them.
        others = max(0, row[columns.valued] - len(low))
        sizes = sorted(map(abs, [*low, *high[:others]]), reverse=True)
        nothing = [0] * (row["units"] - row[columns.valued])
        return [*sizes, *nothing][: self._largest]

    def group(self, number: int, key: Key, parts: Mapping[int, _Row]) -> Group:
        """Read one group.

        Raises:
            IntegrityError: Something is missing, or kinds of unit contradict each other.
        """
        if set(parts) != self._expected[number]:
            _contradiction("a group that not every kind of unit has")
        shared = parts.get(self._shared[number], {})
        found = [
            {**parts[statistics], **parts.get(sketches, {}), **shared}
            for statistics, sketches, _ in self._by_unit[number]
        ]
        ways = [[_ways(parts[code][WAYS]) for code in met] for _, _, met in self._by_unit[number]]
        totals = {columns.plan: _total(columns, found) for columns in self._vectors}
        by_unit = tuple(self._unit(row, totals, met) for row, met in zip(found, ways, strict=True))
        return Group(number=number, key=key, by_unit=by_unit, totals=totals)

    def _unit(
        self, row: _Row, totals: Mapping[VectorPlan, int], meetings: Sequence[Ways]
    ) -> UnitStatistics:
        return UnitStatistics(
            units=row["units"],
            vectors=tuple(_vector(columns, row, totals[columns.plan]) for columns in self._vectors),
            splits=tuple(row[name] for name in self._splits),
            meetings=tuple(meetings),
            usual=tuple(_usual(row, *columns) for columns in self._usual),
            means=tuple(_usual(row, *columns) for columns in self._means),
            sketches={plan: row[name] for plan, name in self._sketches},
        )


def _ways(texts: Sequence[str]) -> Ways:
    """Read how many units have which counts."""
    read = [tuple(map(int, text.split(","))) for text in texts[:MAX_WAYS]]
    people = tuple((units, tuple(counts)) for units, *counts in read)
    return Ways(people=people, complete=len(texts) <= MAX_WAYS)


def _columns(plan: VectorPlan, extremes: Mapping[VectorPlan, int]) -> _Columns:
    name = plan.name
    usual = f"usual{extremes[plan]}" if plan in extremes else ""
    return _Columns(
        plan=plan,
        total=f"{name}_total",
        absolute=f"{name}_absolute",
        largest=f"{name}_largest",
        support=f"{name}_support",
        agreed=f"{name}_{'shared' if plan.kind is VectorKind.DISTINCT else 'total'}",
        valued=f"{usual}_units",
        low=usual and f"{usual}_low",
        high=f"{usual}_high",
    )


def _usual_columns(low: str, high: str) -> Callable[[int], tuple[str, str, str]]:
    return lambda index: (f"usual{index}_units", f"usual{index}_{low}", f"usual{index}_{high}")


def _usual(row: _Row, units: str, low: str, high: str) -> UsualValue:
    return UsualValue(constant=row[units], low=_numbers(row[low]), high=_numbers(row[high]))


def _places(layout: Layout) -> Mapping[Part, tuple[Sequence[str], int]]:
    """Say which columns each part has, and where they start after the key."""
    found, start = {}, 0
    for part in Part:
        names = tuple(layout.names(part))
        found[part] = (names, start)
        start += len(names)
    return found


def _total(columns: _Columns, found: Sequence[_Row]) -> int:
    """Return the one total that all kinds of unit must agree on."""
    if columns.plan.kind is VectorKind.UNITS:
        # Known from the table that has one row for each.
        return int(found[columns.plan.index]["units"])
    totals = {int(row[columns.agreed]) for row in found}
    if len(totals) > 1:
        _contradiction("totals that depend on who is counted")
    return totals.pop()


def _vector(columns: _Columns, row: _Row, total: int) -> VectorStatistics:
    return VectorStatistics(
        plan=columns.plan,
        total=total,
        contributed=int(row[columns.total]),
        # A shared identifier counts once in the total, so the total, and not the larger sum
        # over units, is what a large contributor could subtract from.
        absolute=int(row[columns.absolute]) if columns.plan.signed else total,
        largest=_numbers(row[columns.largest]),
        support=row[columns.support],
    )


def _numbers(values: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(values or ())


def _contradiction(found: str) -> NoReturn:
    raise IntegrityError(f"statistics: found {found}", code="disclosure.statistics")
