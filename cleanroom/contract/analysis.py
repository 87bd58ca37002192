# SPDX-License-Identifier: Apache-2.0
"""What a Python analysis promises to hand over, and what the gate makes of it.

Code that an analyst wrote computes; it never releases. It hands over a frame with one
row a unit, whose columns stand here, and the gate aggregates that frame as this
document says. A group's values are enumerated: a group that could be named by the
code would carry out whatever the code likes to spell.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cleanroom.contract.types import ColumnType, parse_ratio
from cleanroom.contract.wire import (
    ColumnName,
    DigestText,
    Domain,
    Lineage,
    Ratio,
    Type,
    malformed,
    unique,
)
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_COLUMNS
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.wire_model import WireModel

PER_UNIT = "python_per_unit"
REVIEWED = "python_reviewed"
MAX_AGGREGATES = 32
MOST_DIGITS = 15  # of a measure on its grid; a double holds them exactly
DOUBLE_DIGITS = 7

GroupValue: TypeAlias = str | int

_KIND = "query"
_GROUP_TYPES: Mapping[str, type] = {"string": str, "integer": int, "date": str}
# SACRO's statbarns for numbers that nobody but the code can say the support of.
StatisticClass: TypeAlias = Literal[
    "calculated-ratios",
    "correlation-coefficients",
    "gini-coefficient",
    "hazard-survival-tables",
    "linear-aggregations",
    "non-linear-concentration-ratios",
    "shape",
    "statistical-hypothesis-tests",
]


class AnalysisFunction(StrEnum):
    """What the gate may compute of a frame's column over the units of a group."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupColumn:
    """A column of the frame that groups units; it takes one of the listed values, or none."""

    name: str
    type: ColumnType
    values: tuple[GroupValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureColumn:
    """A column of the frame that is added up; values beyond the bounds are clamped."""

    name: str
    type: ColumnType
    lower: Fraction
    upper: Fraction

    @property
    def scale(self) -> int:
        """Digits after the point that are kept; a double keeps seven digits of its bound.

        The last digits of a double depend on how a library's loop met the row, so two
        computations of one person's value agree on fewer than it has.
        """
        if self.type.decimal is not None:
            return self.type.decimal[1]
        if self.type == "integer":
            return 0
        whole = math.floor(math.log10(max(abs(self.lower), abs(self.upper)))) + 1
        return min(max(0, DOUBLE_DIGITS - whole), MOST_DIGITS)

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value, in units of the last kept digit."""
        unit = 10**self.scale
        return math.ceil(self.lower * unit), math.floor(self.upper * unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAggregate:
    """One released number: a function of one measure over the units of a group.

    Attributes:
        name: Output name.
        function: What is computed.
        column: The measure; empty for the number of units.
    """

    name: str
    function: AnalysisFunction
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number that reviewed code may hand over by itself.

    Attributes:
        name: Output name.
        statistic_class: Its SACRO class, which tells reviewers what to look for.
        digits: Significant digits that are released.
    """

    name: str
    statistic_class: str
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAnalysis:
    """The query is SQL: admission finds out from its text what it reads and releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonAnalysis:
    """Everything a query document says about a Python analysis.

    Attributes:
        entry_point: Name of the function that is called.
        environment: Digest of the lock file of the environment it runs in.
        unit: Lineage whose units the rows of the frame speak for.
        groups: Columns of the frame that group units, in output order.
        measures: Columns of the frame that are added up.
        aggregates: Released numbers of every group.
        statistics: Released numbers that code hands over; only of reviewed code.
    """

    entry_point: str
    environment: Digest
    unit: str
    groups: tuple[GroupColumn, ...]
    measures: tuple[MeasureColumn, ...]
    aggregates: tuple[FrameAggregate, ...]
    statistics: tuple[Statistic, ...]

    @property
    def output(self) -> tuple[tuple[str, ColumnType], ...]:
        """Name and type of each column of the result, in order."""
        whole, real = ColumnType("integer"), ColumnType("double")
        numbers = [
            (item.name, whole if item.function is AnalysisFunction.COUNT else real)
            for item in self.aggregates
        ]
        groups = [(group.name, group.type) for group in self.groups if self.aggregates]
        return (*groups, *numbers, *((item.name, real) for item in self.statistics))


Analysis: TypeAlias = SqlAnalysis | PythonAnalysis


class GroupWire(WireModel):
    """One group column and its domain."""

    name: ColumnName
    type: Literal["string", "integer", "date"]
    values: Domain


class MeasureWire(WireModel):
    """One measure and its bounds."""

    name: ColumnName
    type: Type
    lower: Ratio
    upper: Ratio


class AggregateWire(WireModel):
    """One released number."""

    name: ColumnName
    function: Literal["count", "sum", "avg"]
    column: ColumnName | None = None


class StatisticWire(WireModel):
    """One number that the code hands over."""

    name: ColumnName
    statistic_class: Annotated[StatisticClass, Field(alias="class")]
    digits: Annotated[int, Field(ge=1, le=6)]


class PythonWire(WireModel):
    """The ``[python]`` table."""

    entry_point: ColumnName
    environment: DigestText
    unit: Lineage
    groups: Annotated[list[GroupWire], Field(max_length=MAX_COLUMNS)]
    measures: Annotated[list[MeasureWire], Field(max_length=MAX_COLUMNS)]
    aggregates: Annotated[list[AggregateWire], Field(max_length=MAX_AGGREGATES)]
    statistics: Annotated[list[StatisticWire], Field(max_length=MAX_AGGREGATES)]


def read_analysis(wire: PythonWire, *, kind: str, what: str) -> PythonAnalysis:
    """Turn the ``[python]`` table into terms.

    Raises:
        MalformedError: It contradicts itself, or hands over what its kind may not.
    """
    groups = tuple(_group(item, what=what) for item in wire.groups)
    measures = tuple(_measure(item, what=what) for item in wire.measures)
    columns = [*(item.name for item in groups), *(item.name for item in measures)]
    _unique(columns, what=what, clause="python columns")
    aggregates = tuple(_aggregate(item, measures, what=what) for item in wire.aggregates)
    statistics = tuple(
        Statistic(name=item.name, statistic_class=item.statistic_class, digits=item.digits)
        for item in wire.statistics
    )
    _require_something(kind, aggregates, statistics, what=what)
    analysis = PythonAnalysis(
        entry_point=wire.entry_point,
        environment=Digest.parse(wire.environment, what=what),
        unit=wire.unit,
        groups=groups,
        measures=measures,
        aggregates=aggregates,
        statistics=statistics,
    )
    _unique((name for name, _ in analysis.output), what=what, clause="python outputs")
    return analysis


def _require_something(
    kind: str,
    aggregates: Sequence[FrameAggregate],
    statistics: Sequence[Statistic],
    *,
    what: str,
) -> None:
    if kind == PER_UNIT and statistics:
        # A number that code computed over many people has support on its word alone.
        raise malformed(
            what,
            "python.statistics",
            found="a number that the code hands over",
            agreed=f"none in {PER_UNIT}",
            code="query.python-statistics",
            hint=f"aggregate a column of the frame, or ask every owner to grant {REVIEWED}",
        )
    if bool(aggregates) == bool(statistics):
        raise malformed(
            what,
            "python",
            found="both aggregates and statistics" if aggregates else "nothing to release",
            agreed="aggregates of the frame, or statistics",
            code="query.python-release",
            hint="ask for statistics in a query of their own",
        )


def _group(wire: GroupWire, *, what: str) -> GroupColumn:
    clause = f"python.groups.{wire.name}.values"
    kind = _GROUP_TYPES[wire.type]
    for value in wire.values:
        # True is an int in Python; the type itself decides.
        if type(value) is not kind or (wire.type == "date" and not _is_day(value)):
            raise malformed(
                what, clause, found="another type", agreed=wire.type, code="query.python-value"
            )
    _unique(map(str, wire.values), what=what, clause=clause)
    return GroupColumn(name=wire.name, type=ColumnType(wire.type), values=tuple(wire.values))


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _measure(wire: MeasureWire, *, what: str) -> MeasureColumn:
    clause = f"python.measures.{wire.name}"
    kind = ColumnType(wire.type)
    if not kind.is_number:
        raise malformed(
            what, clause, found="a type that is no number", agreed="a number", code="query.type"
        )
    lower = parse_ratio(wire.lower, what=f"{what}: {clause}.lower")
    upper = parse_ratio(wire.upper, what=f"{what}: {clause}.upper")
    if lower >= upper:
        raise malformed(
            what,
            clause,
            found="a lower bound that is not below the upper one",
            agreed="lower < upper",
            code="query.python-bounds",
        )
    measure = MeasureColumn(name=wire.name, type=kind, lower=lower, upper=upper)
    least, most = measure.range
    if least > most or max(abs(least), abs(most)) > 10**MOST_DIGITS:
        raise malformed(
            what,
            clause,
            found="bounds without a value, or with too many digits for exact sums",
            agreed=f"bounds that fit {MOST_DIGITS} digits",
            code="query.python-bounds",
        )
    return measure


def _aggregate(
    wire: AggregateWire, measures: Sequence[MeasureColumn], *, what: str
) -> FrameAggregate:
    function = AnalysisFunction(wire.function)
    known = {measure.name for measure in measures}
    if wire.column is None and function is not AnalysisFunction.COUNT:
        raise malformed(
            what,
            f"python.aggregates.{wire.name}",
            found=f"{function.value} of nothing",
            agreed="a measure of the frame",
            code="query.python-aggregate",
        )
    if wire.column is not None and wire.column not in known:
        raise malformed(
            what,
            f"python.aggregates.{wire.name}",
            found=f"{wire.column!r}, which is no measure of the frame",
            agreed=", ".join(sorted(known)) or "a measure",
            code="query.python-aggregate",
        )
    return FrameAggregate(name=wire.name, function=function, column=wire.column or "")


def _unique(values: Iterable[str], *, what: str, clause: str) -> None:
    unique(values, what=what, clause=clause, kind=_KIND)
