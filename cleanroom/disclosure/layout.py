# SPDX-License-Identifier: Apache-2.0
"""Which statistics each group has, and in which columns the generated SQL returns them.

The writer of the SQL and the reader of its rows both follow this one list, so
a column cannot mean two things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from itertools import combinations, permutations

from cleanroom.contract.rules import Rules
from cleanroom.disclosure.requirements import MOMENT_DIGITS, require_exact, require_matching
from cleanroom.disclosure.shape import (
    MAX_GROUPING_SETS,
    MAX_UNITS,
    PAIRED,
    VARIANCES,
    AggregateKind,
    AggregateShape,
    ArgumentKind,
    ReleaseShape,
    require_bounded,
)
from cleanroom.disclosure.sketch import buckets_for
from cleanroom.kernel.record import dataclass

NARROW_DIGITS = 15  # sums of so many digits are kept in 64 bits for one unit
WIDE_DIGITS = 37
WAYS = "ways"
MAX_WAYS = 1024  # vectors of counts that are looked at, the commonest first


class Part(Enum):
    """What a row of the statement's result holds of its group."""

    STATISTICS = "statistics"
    MEETING = "how many units have which counts"
    SHARED = "totals of shared identifiers"
    SKETCHES = "sketches"


class VectorKind(StrEnum):
    """What one unit contributes to one number of one group."""

    MEMBERS = "members"  # 1 for every unit of the group
    ROWS = "rows"  # rows
    PRESENT = "present"  # rows with a value, or with both values
    SUM = "sum"  # sum of the measure
    PART = "part"  # sum of a component, of which nothing is released
    SQUARE = "square"  # sum of its squares
    PRODUCT = "product"  # sum of products of two measures
    DISTINCT = "distinct"  # distinct identifiers
    UNITS = "units"  # distinct units of some protected input


_SIGNED = frozenset({VectorKind.SUM, VectorKind.PART, VectorKind.PRODUCT})
_PRESENCE = frozenset({VectorKind.PRESENT, VectorKind.DISTINCT})
# What the rules look at of each argument, whatever is released of it.
_CHECKED: Mapping[ArgumentKind, tuple[VectorKind, ...]] = {
    ArgumentKind.PRESENCE: (VectorKind.PRESENT,),
    ArgumentKind.DISTINCT: (VectorKind.DISTINCT,),
    ArgumentKind.MEASURE: (VectorKind.PRESENT, VectorKind.SUM),
    ArgumentKind.COMPONENT: (VectorKind.PART,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorPlan:
    """One vector of contributions.

    Attributes:
        kind: What is contributed.
        index: The argument, or the unit that is counted.
        other: The argument that must have a value too; -1 for none.
    """

    kind: VectorKind
    index: int = 0
    other: int = -1

    @property
    def name(self) -> str:
        """Name the per-unit column that holds the contribution."""
        pair = f"x{self.other}" if self.other >= 0 else ""
        return f"{self.kind.value}{self.index}{pair}"

    @property
    def signed(self) -> bool:
        """Whether contributions can be below zero."""
        return self.kind in _SIGNED


MEMBERS = VectorPlan(kind=VectorKind.MEMBERS)
ROWS = VectorPlan(kind=VectorKind.ROWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The plan of one statistics statement.

    Attributes:
        shape: What is released.
        vectors: Contribution vectors that the rules look at.
        released: Those of them from which numbers are released, in canonical order.
        threshold: Least number of units; how many small and large contributions are fetched.
        largest: How many largest contributions are fetched.
        buckets: Buckets of a sketch.
    """

    shape: ReleaseShape
    vectors: tuple[VectorPlan, ...]
    released: tuple[VectorPlan, ...]
    threshold: int
    largest: int
    buckets: int

    @property
    def measures(self) -> tuple[int, ...]:
        """Arguments whose usual value matters."""
        return tuple(i for i, item in enumerate(self.shape.arguments) if item.is_number)

    @property
    def contributed(self) -> tuple[VectorPlan, ...]:
        """Vectors that are computed of every unit: also what nothing is released of."""
        present = (VectorPlan(kind=VectorKind.PRESENT, index=index) for index in self.measures)
        return tuple(dict.fromkeys((*self.vectors, *present)))

    def summed(self, index: int) -> VectorPlan:
        """Return the vector that holds the sum of an argument that is a number."""
        part = self.shape.arguments[index].kind is ArgumentKind.COMPONENT
        return VectorPlan(kind=VectorKind.PART if part else VectorKind.SUM, index=index)

    @property
    def extremes(self) -> Mapping[VectorPlan, int]:
        """Vectors whose smallest and largest contributions are fetched anyway, by argument."""
        return {self.summed(index): index for index in self.measures}

    @property
    def low(self) -> int:
        """How many smallest contributions are fetched: no fewer than the largest ones of any."""
        return max(2 * self.threshold, self.largest)

    @property
    def high(self) -> int:
        """How many largest contributions are fetched, signs included."""
        return max(self.threshold, self.largest)

    @property
    def shared(self) -> tuple[VectorPlan, ...]:
        """Vectors whose total over a group is not the sum over its units."""
        return tuple(plan for plan in self.vectors if plan.kind is VectorKind.DISTINCT)

    @property
    def units(self) -> range:
        """Indexes of the kinds of unit; public rows have one kind that is nobody."""
        return range(max(1, len(self.shape.units)))

    @property
    def presences(self) -> tuple[VectorPlan, ...]:
        """Vectors that say who contributes to an argument."""
        return tuple(plan for plan in self.vectors if plan.kind in _PRESENCE)

    @property
    def alone(self) -> tuple[tuple[VectorPlan, VectorPlan], ...]:
        """Pairs of which is counted who contributes to the first and not to the second.

        Everybody in the group contributes to a count of rows or of units.
        """
        whole = any(plan.kind in {VectorKind.ROWS, VectorKind.UNITS} for plan in self.vectors)
        everybody = tuple((MEMBERS, plan) for plan in self.presences) if whole else ()
        return (*everybody, *permutations(self.presences, 2))

    @property
    def differing(self) -> tuple[tuple[VectorPlan, VectorPlan], ...]:
        """Pairs of which is counted who contributes differently to the two.

        Of what is not released, only presences: ``sum(x)`` beside a number of people does not tell
        how many rows each of them has.
        """
        whole = (plan for plan in self.vectors if plan.kind is not VectorKind.PART)
        out, known = set(self.presences), set(self.released)
        pairs = combinations(whole, 2)
        return tuple(pair for pair in pairs if known.issuperset(pair) or out.issuperset(pair))

    def scale(self, plan: VectorPlan) -> int:
        """Return the digits after the point of a vector's integers."""
        if plan.kind in {VectorKind.SUM, VectorKind.PART}:
            return self.argument_scale(plan.index)
        if plan.kind is VectorKind.SQUARE:
            return 2 * self.argument_scale(plan.index)
        if plan.kind is VectorKind.PRODUCT:
            return self.argument_scale(plan.index) + self.argument_scale(plan.other)
        return 0

    def argument_scale(self, index: int) -> int:
        """Return the grid on which an argument is summed; coarser if it is squared."""
        argument = self.shape.arguments[index]
        whole = argument.digits - argument.scale
        # A wide one is multiplied by the power of ten of its grid within 38 digits.
        most = argument.scale if self.is_narrow(index) else (WIDE_DIGITS - whole) // 2
        if index in self._squared():
            most = min(most, MOMENT_DIGITS - whole)
        return min(argument.scale, most)

    def is_narrow(self, index: int) -> bool:
        """Tell whether one unit's sum of an argument is kept in 64 bits."""
        return self.shape.arguments[index].digits <= NARROW_DIGITS

    def names(self, part: Part) -> Iterator[str]:
        """Name the columns of one part, in the order in which they follow the key."""
        if part is Part.MEETING:
            yield from (WAYS,) if self.shape.meetings else ()
            return
        if part is Part.SHARED:
            yield from (f"{plan.name}_shared" for plan in self.shared)
            return
        if part is Part.SKETCHES:
            yield from (f"{plan.name}_sketch" for plan in self.sketched)
            return
        derived = self.derived
        yield from (name for name in self._statistics() if name not in derived)

    def _statistics(self) -> Iterator[str]:
        yield "units"
        for plan in self.vectors:
            yield f"{plan.name}_total"
            if plan.signed:
                yield f"{plan.name}_absolute"
            if plan not in self.extremes:
                yield f"{plan.name}_largest"
            yield f"{plan.name}_support"
        yield from self.split_names()
        for index in self.measures:
            yield from (f"usual{index}_units", f"usual{index}_low", f"usual{index}_high")
            yield from (f"usual{index}_least", f"usual{index}_most")

    @property
    def derived(self) -> Mapping[str, tuple[str, str]]:
        """Statistics that follow from others, which the engine need not count again.

        Each is one number of units less another; of the empty name there are none. Everybody in
        a group has rows there, and who does not contribute to a presence has none of it.
        """
        found = {}
        if ROWS in self.vectors:
            found[f"{ROWS.name}_support"] = ("units", "")
        for one, other in self.alone:
            if one is MEMBERS:
                found[f"{one.name}_without_{other.name}"] = ("units", f"{other.name}_support")
        for index in self.measures:
            present = VectorPlan(kind=VectorKind.PRESENT, index=index)
            if present in self.vectors:
                found[f"usual{index}_units"] = (f"{present.name}_support", "")
        return found

    def code(self, part: Part, number: int, unit: int = 0, meeting: int = 0) -> int:
        """Say in one number what a row is: not negative for statistics, which count units."""
        place, places = number * MAX_UNITS + unit, MAX_GROUPING_SETS * MAX_UNITS
        return {
            Part.STATISTICS: place,
            Part.SKETCHES: -1 - place,
            Part.SHARED: -1 - places - number,
            Part.MEETING: -1 - (2 + meeting) * places - place,
        }[part]

    @property
    def codes(self) -> Mapping[int, tuple[Part, int, int]]:
        """Say what every code means: a part, a grouping set and a kind of unit."""
        places = [(number, unit) for number in range(len(self.shape.sets)) for unit in self.units]
        found = [(Part.STATISTICS, *place) for place in places]
        if self.sketched:
            found += [(Part.SKETCHES, *place) for place in places]
        if self.shared:
            found += [(Part.SHARED, number, 0) for number in range(len(self.shape.sets))]
        codes = {self.code(*entry): entry for entry in found}
        for place in places:
            codes |= dict.fromkeys(self.met(*place), (Part.MEETING, *place))
        return codes

    def met(self, number: int, unit: int) -> Sequence[int]:
        """Give the codes of the rows that say where conditions meet, one for each meeting."""
        meetings = range(len(self.shape.meetings))
        return [self.code(Part.MEETING, number, unit, meeting) for meeting in meetings]

    @property
    def rows_a_group(self) -> int:
        """Rows that one group has in the statement's result."""
        each = 1 + bool(self.sketched) + len(self.shape.meetings)
        return len(self.units) * each + bool(self.shared)

    def split_names(self) -> Iterator[str]:
        """Name the statistics that count units on one side of something."""
        for one, other in self.alone:
            yield f"{one.name}_without_{other.name}"
        for one, other in self.differing:
            yield f"{one.name}_unlike_{other.name}"
        for index in range(self.shape.branches):
            yield from (f"branch{index}_true", f"branch{index}_false")

    @property
    def sketched(self) -> tuple[VectorPlan, ...]:
        """Vectors of which sketches are fetched: those of released numbers about somebody."""
        return () if self.is_public else self.released

    @property
    def is_public(self) -> bool:
        """Whether there is nobody to protect."""
        return not self.shape.units

    def _squared(self) -> frozenset[int]:
        kinds = {VectorKind.SQUARE, VectorKind.PRODUCT}
        used = [plan for plan in self.vectors if plan.kind in kinds]
        return frozenset(index for plan in used for index in (plan.index, plan.other) if index >= 0)


def plan_layout(shape: ReleaseShape, rules: Rules) -> Layout:
    """Plan the statistics that the rules need of a shape.

    Raises:
        DisclosureRefusedError: The shape and the rules do not belong together.
    """
    require_bounded(shape)
    require_matching(shape, rules)
    require_exact(shape)
    released = dict.fromkeys(plan for item in shape.aggregates for plan in vectors_of(item))
    checked = dict.fromkeys((*released, *_argument_vectors(shape)))
    return Layout(
        shape=shape,
        vectors=tuple(checked),
        # Who is in a row is what a row of keys alone releases.
        released=tuple(released) or (MEMBERS,),
        threshold=1 if rules.public else rules.threshold,
        largest=max((2, *(rule.largest for rule in rules.dominance))),
        buckets=buckets_for(rules.difference),
    )


def vectors_of(item: AggregateShape) -> Sequence[VectorPlan]:
    """List the vectors whose totals an aggregate is computed from."""
    if item.unit >= 0:
        return [VectorPlan(kind=VectorKind.UNITS, index=item.unit)]
    if item.kind is AggregateKind.COUNT_ROWS:
        return [ROWS]
    if item.kind in {AggregateKind.COUNT_DISTINCT, AggregateKind.APPROX_COUNT_DISTINCT}:
        return [VectorPlan(kind=VectorKind.DISTINCT, index=item.argument)]
    if item.kind in PAIRED:
        return _paired(item.argument, item.other)
    present = VectorPlan(kind=VectorKind.PRESENT, index=item.argument)
    total = VectorPlan(kind=VectorKind.SUM, index=item.argument)
    if item.kind is AggregateKind.COUNT:
        return [present]
    if item.kind is AggregateKind.SUM:
        return [total]
    square = VectorPlan(kind=VectorKind.SQUARE, index=item.argument)
    return [present, total, square] if item.kind in VARIANCES else [present, total]


def _paired(y: int, x: int) -> Sequence[VectorPlan]:
    """Vectors over the rows in which both arguments have a value, in a fixed order."""
    return [
        VectorPlan(kind=VectorKind.PRESENT, index=min(y, x), other=max(y, x)),
        VectorPlan(kind=VectorKind.SUM, index=y, other=x),
        VectorPlan(kind=VectorKind.SUM, index=x, other=y),
        VectorPlan(kind=VectorKind.SQUARE, index=y, other=x),
        VectorPlan(kind=VectorKind.SQUARE, index=x, other=y),
        VectorPlan(kind=VectorKind.PRODUCT, index=min(y, x), other=max(y, x)),
    ]


def _argument_vectors(shape: ReleaseShape) -> Iterator[VectorPlan]:
    for index, argument in enumerate(shape.arguments):
        yield from (VectorPlan(kind=kind, index=index) for kind in _CHECKED[argument.kind])
