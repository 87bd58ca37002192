# SPDX-License-Identifier: Apache-2.0
"""What an admitted query is: stages that release, and what is made of the released tables.

Every stage reads rows, sends its numbers through the disclosure gate and so has a
released table. Later stages and the final table may read earlier released tables:
what is computed from released numbers cannot tell more than they do.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from cleanroom.admission.typed.expr import Expr, Ref
from cleanroom.admission.typed.measures import MeasureGrid
from cleanroom.admission.typed.relation import Relation
from cleanroom.contract.policy_terms import Column, Role
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column of a dataset, with its role in the owner's policy."""

    lineage: str
    column: Column
    type: ColumnType

    @property
    def reference(self) -> str:
        """The column as policies and people name it."""
        return f"{self.lineage}.{self.column.name}"

    @property
    def owner(self) -> str:
        """The party whose column it is."""
        return self.lineage.partition(".")[0]

    @property
    def is_identifier(self) -> bool:
        """Tell whether it tells units or rows apart."""
        return self.column.role in {Role.KEY, Role.ROW_ID}


class AggregateKind(StrEnum):
    """What may be released of a group; the names are those of the disclosure gate."""

    COUNT_ROWS = "count_rows"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"
    AVG = "avg"
    VAR_POP = "var_pop"
    VAR_SAMP = "var_samp"
    STDDEV_POP = "stddev_pop"
    STDDEV_SAMP = "stddev_samp"
    COVAR_POP = "covar_pop"
    COVAR_SAMP = "covar_samp"
    CORR = "corr"
    REGR_SLOPE = "regr_slope"
    REGR_INTERCEPT = "regr_intercept"
    REGR_R2 = "regr_r2"
    REGR_COUNT = "regr_count"
    REGR_AVGX = "regr_avgx"
    REGR_AVGY = "regr_avgy"
    REGR_SXX = "regr_sxx"
    REGR_SYY = "regr_syy"
    REGR_SXY = "regr_sxy"


class ArgumentKind(StrEnum):
    """What an aggregate needs of each row.

    A ``COMPONENT`` is aggregated by none: it is checked by itself, as a part of a measure.
    """

    PRESENCE = "presence"
    DISTINCT = "distinct"
    MEASURE = "measure"
    COMPONENT = "component"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One group key of a stage."""

    name: str
    expr: Expr
    type: ColumnType
    sources: tuple[SourceColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A released number that says which keys a row was not grouped by: ``GROUPING(...)``.

    Attributes:
        name: Its name in the released table.
        keys: Indexes of the keys asked for; the first one is the highest bit.
    """

    name: str
    keys: tuple[int, ...]

    @property
    def type(self) -> ColumnType:
        """Return its type."""
        return ColumnType("integer")

    @property
    def sources(self) -> tuple[SourceColumn, ...]:
        """Return nothing: it follows from the query alone."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One row-level column that aggregates share; a FILTER is folded into its expression.

    Attributes:
        kind: What it holds: 1 or NULL, an identifier, or an exact number.
        expr: Its value.
        grid: How an exact number is represented; only those of numbers are used.
        weight: What one row counts for at most, if the number counts rows, conditions or
            constants: its sums are rounded like counts. ``None`` for a measured number.
    """

    kind: ArgumentKind
    expr: Expr
    grid: MeasureGrid
    weight: Fraction | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is an exact number, on a grid."""
        return self.kind in {ArgumentKind.MEASURE, ArgumentKind.COMPONENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One released number.

    Attributes:
        name: Its name in the released table.
        kind: What is computed.
        type: ``integer`` for counts, ``double`` otherwise.
        arguments: Indexes of the arguments that it needs.
        unit: Index of the unit column that is counted; -1 unless it counts units.
        sources: Columns that its value depends on.
    """

    name: str
    kind: AggregateKind
    type: ColumnType
    arguments: tuple[int, ...]
    unit: int
    sources: tuple[SourceColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitColumn:
    """One kind of protected unit, counted in every released row.

    Attributes:
        owner: Whose identifiers.
        namespace: In which namespace of this owner.
        column: The column that is counted. Where the owner's dataset may lack a partner, a
            stand-in made of the other side's key takes the place of the absent unit.
        datasets: Lineages whose units it holds.
    """

    owner: str
    namespace: str
    column: Ref
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One release: rows grouped by keys, and safe aggregates of each group.

    Attributes:
        base: The rows.
        keys: Group keys.
        grouping_sets: Indexes of the keys of each grouping; one for a plain GROUP BY.
        groupings: Released numbers that tell the groupings apart.
        arguments: Row-level columns that aggregates need.
        branches: Conditions that can change a contribution: each splits the units in two.
        meetings: Indexes of branches, and from their number on of arguments, that one number adds
            up of a unit's rows.
        aggregates: Released numbers.
        units: Every protected unit; empty exactly when the stage reads public data only.
        order: Names of the released columns, in order.
        inputs: Earlier stages whose released tables it reads.
        columns: Columns used, by lineage, sorted.
        parameters: Parameters used, sorted.
    """

    base: Relation
    keys: tuple[Key, ...]
    grouping_sets: tuple[tuple[int, ...], ...]
    groupings: tuple[Grouping, ...]
    arguments: tuple[Argument, ...]
    branches: tuple[Expr, ...]
    meetings: tuple[tuple[int, ...], ...]
    aggregates: tuple[Aggregate, ...]
    units: tuple[UnitColumn, ...]
    order: tuple[str, ...]
    inputs: tuple[int, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    parameters: tuple[str, ...]

    @property
    def parts(self) -> tuple[Key | Aggregate | Grouping, ...]:
        """Everything that is released: keys, numbers, and what tells groupings apart."""
        return (*self.keys, *self.aggregates, *self.groupings)

    @property
    def public(self) -> bool:
        """Whether it reads public data only."""
        return not self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One part of a release.

    Attributes:
        stage: Which release.
        part: Which of its keys, numbers and groupings, in this order; -1 for which rows it has.
    """

    stage: int
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One column of the result.

    Attributes:
        name: Its name.
        type: Its type.
        column: Its number in the post relation.
        sources: Columns of datasets that its value depends on.
        origins: Parts of releases that it is computed of.
    """

    name: str
    type: ColumnType
    column: int
    sources: tuple[SourceColumn, ...]
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What is made of the released tables.

    Attributes:
        relation: Over released tables only.
        identity: Whether it is the one stage's released table as it is.
        inputs: Stages that it reads.
        parameters: Parameters used, sorted.
    """

    relation: Relation
    identity: bool
    inputs: tuple[int, ...]
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedQuery:
    """Proof that a query was admitted; :func:`~cleanroom.admission.admit.lower` mints it.

    Attributes:
        stages: Releases, each after those whose tables it reads.
        post: What is made of them.
        output: Columns of the result in order.
        parameters: Names of the parameters used.
        columns: Columns used, by lineage, sorted.
        grants: What owners and contract grant that it needs, as they would be written; sorted.
    """

    stages: tuple[Stage, ...]
    post: Post
    output: tuple[Output, ...]
    parameters: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    grants: tuple[str, ...]

    @property
    def public(self) -> bool:
        """Whether every dataset is public."""
        return all(stage.public for stage in self.stages)
