# SPDX-License-Identifier: Apache-2.0
"""The shape of a release: what the row-level columns are and what is computed of them.

A shape says what the columns of a base relation mean; it is not believed about anything
that a rule could be wrong by. Whoever makes the relation (admission for SQL, a frame of
partials for other analyses) and the statistics follow the same names behind a secret prefix.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from cleanroom.errors import DisclosureRefusedError
from cleanroom.kernel.record import dataclass

MAX_KEYS = 16
MAX_ARGUMENTS = 48
MAX_AGGREGATES = 48
MAX_BRANCHES = 64
MAX_GROUPING_SETS = 16
MAX_UNITS = 4
MAX_MEETINGS = 16
MAX_MEETING = 64  # conditions and counts that are added up


class ArgumentKind(StrEnum):
    """What a row-level argument column holds.

    ``PRESENCE`` is 1 or NULL, ``DISTINCT`` any scalar, ``MEASURE`` an exact DECIMAL. A
    ``COMPONENT`` is one too, of which nothing is released: a number that a measure was
    computed of, and that must not be one known value for everybody but a few.
    """

    PRESENCE = "presence"
    DISTINCT = "distinct"
    MEASURE = "measure"
    COMPONENT = "component"


class AggregateKind(StrEnum):
    """What is released of an argument.

    ``APPROX_COUNT_DISTINCT`` counts units exactly: an approximation computed from
    identifiers would tell whether one of them is among them. The two-argument kinds take
    ``argument`` as y and ``other`` as x, and rows in which both have a value.
    """

    COUNT_ROWS = "count_rows"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    APPROX_COUNT_DISTINCT = "approx_count_distinct"
    SUM = "sum"
    AVG = "avg"
    VAR_POP = "var_pop"
    VAR_SAMP = "var_samp"
    STDDEV_POP = "stddev_pop"
    STDDEV_SAMP = "stddev_samp"
    COVAR_POP = "covar_pop"
    COVAR_SAMP = "covar_samp"
    CORR = "corr"
    REGR_COUNT = "regr_count"
    REGR_AVGX = "regr_avgx"
    REGR_AVGY = "regr_avgy"
    REGR_SXX = "regr_sxx"
    REGR_SYY = "regr_syy"
    REGR_SXY = "regr_sxy"
    REGR_SLOPE = "regr_slope"
    REGR_INTERCEPT = "regr_intercept"
    REGR_R2 = "regr_r2"


VARIANCES = frozenset(
    {
        AggregateKind.VAR_POP,
        AggregateKind.VAR_SAMP,
        AggregateKind.STDDEV_POP,
        AggregateKind.STDDEV_SAMP,
    }
)
PAIRED = frozenset(kind for kind in AggregateKind if kind.startswith(("covar", "corr", "regr")))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """One group key.

    Attributes:
        name: Output name.
        type: Column type.
        source: What the key is, whatever its output name: the same text for the same
            expression of the same columns, in every query.
    """

    name: str
    type: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentShape:
    """One row-level argument.

    Attributes:
        kind: What the column holds.
        digits: Most decimal digits of a measure's value, both sides of the point.
        scale: Digits after the point of a measure; its values are cast to this grid.
        weight: What one row of a number that only counts (rows, conditions, constants) counts for
            at most; its sums are rounded like counts. ``None`` for what was measured.
    """

    kind: ArgumentKind
    digits: int = 18
    scale: int = 0
    weight: Fraction | None = None

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers, on a grid."""
        return self.kind in {ArgumentKind.MEASURE, ArgumentKind.COMPONENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateShape:
    """One released number.

    Attributes:
        name: Output name.
        kind: What is computed.
        type: ``integer`` for counts, ``double`` otherwise.
        argument: Index of the argument column; -1 for rows and units.
        unit: Index of the unit column whose distinct values are counted; -1 otherwise.
        other: Index of the second argument (x) of the paired kinds; -1 otherwise.
    """

    name: str
    kind: AggregateKind
    type: str
    argument: int
    unit: int
    other: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingShape:
    """A released integer that says which keys a row was not grouped by: ``GROUPING(...)``.

    Attributes:
        name: Output name.
        keys: Indexes of the keys asked for; the first one is the highest bit.
    """

    name: str
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitShape:
    """One kind of protected unit.

    Attributes:
        namespace: Whose identifiers; vectors of two namespaces are never compared.
        type: Column type of ``<prefix>u<index>``.
    """

    namespace: str
    type: str = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseShape:
    """Everything that disclosure needs to know of one release point.

    Attributes:
        keys: Group keys, in the order of the columns ``<prefix>k0..``.
        arguments: Columns ``<prefix>a0..``; a FILTER is folded in already.
        aggregates: Released numbers.
        units: Kinds of unit, columns ``<prefix>u0..``; empty for public data.
        order: Output names in output order.
        branches: How many columns ``<prefix>b0..`` there are: booleans, never NULL, one
            for each predicate that can change a contribution.
        meetings: What one number adds up of a unit's rows, in ascending order: branches, by how
            many rows they hold in, and arguments, from ``branches`` on.
        grouping_sets: Key indexes of each grouping set; empty means one set of all keys.
        groupings: Released ``GROUPING(...)`` integers.
    """

    keys: tuple[KeyShape, ...]
    arguments: tuple[ArgumentShape, ...]
    aggregates: tuple[AggregateShape, ...]
    units: tuple[UnitShape, ...]
    order: tuple[str, ...]
    branches: int = 0
    grouping_sets: tuple[tuple[int, ...], ...] = ()
    groupings: tuple[GroupingShape, ...] = ()
    meetings: tuple[tuple[int, ...], ...] = ()

    @property
    def counted(self) -> tuple[int, ...]:
        """Return the branches of which it is counted in how many rows of a unit they hold."""
        found = {item for met in self.meetings for item in met if item < self.branches}
        return tuple(sorted(found))

    @property
    def sets(self) -> tuple[tuple[int, ...], ...]:
        """Return the grouping sets, one of all keys if none were asked for."""
        return self.grouping_sets or (tuple(range(len(self.keys))),)


def require_bounded(shape: ReleaseShape) -> None:
    """Refuse a shape of more parts than the statistics are written for.

    Every part costs columns of one statement and pairs of comparisons; each limit has an
    error of its own.

    Raises:
        DisclosureRefusedError: More of something than its limit.
    """
    found = {
        "keys": (len(shape.keys), MAX_KEYS),
        "arguments": (len(shape.arguments), MAX_ARGUMENTS),
        "aggregates": (len(shape.aggregates), MAX_AGGREGATES),
        "branches": (shape.branches, MAX_BRANCHES),
        "grouping-sets": (len(shape.grouping_sets), MAX_GROUPING_SETS),
        "units": (len(shape.units), MAX_UNITS),
        "meetings": (len(shape.meetings), MAX_MEETINGS),
        "meeting": (max(map(len, shape.meetings), default=0), MAX_MEETING),
    }
    for what, (count, most) in found.items():
        if count > most:
            raise DisclosureRefusedError(
                f"{what}: found {count}, agreed at most {most}",
                code=f"disclosure.{what}",
                hint=f"ask for fewer {what.replace('-', ' ')} in one query",
            )
