# SPDX-License-Identifier: Apache-2.0
"""The closed tree that an admitted query is: nothing else can be generated or run.

Every name in it comes from the catalog. The analyst's text survives in output
names (which never enter SQL) and in typed literal values alone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from cleanroom.contract.policy_terms import Column
from cleanroom.contract.types import ColumnType

Value: TypeAlias = bool | int | str | Decimal | dt.date | dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One reading of one dataset.

    Attributes:
        index: Position in the FROM clause.
        lineage: ``owner.table``.
        unit: Key column of the protected unit; empty for a public dataset.
        namespace: Namespace of that column; empty for a public dataset.
    """

    index: int
    lineage: str
    unit: str
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column of one scan, with its role in the owner's policy."""

    scan: int
    lineage: str
    column: Column
    type: ColumnType

    @property
    def reference(self) -> str:
        """The column as policies and people name it."""
        return f"{self.lineage}.{self.column.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A prepared parameter; its value is bound and never becomes text."""

    name: str


Operand: TypeAlias = Value | Parameter


class Comparison(StrEnum):
    """What a WHERE clause may ask of one column."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "IN"
    BETWEEN = "BETWEEN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One conjunct of the WHERE clause."""

    column: SourceColumn
    comparison: Comparison
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinEquality:
    """One equality of an INNER JOIN; the later scan is joined to the earlier one."""

    earlier: SourceColumn
    later: SourceColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """One released group key."""

    name: str
    type: ColumnType
    source: SourceColumn


class AggregateKind(StrEnum):
    """What the first gate can compute."""

    COUNT_ROWS = "count_rows"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"
    AVG = "avg"


class ArgumentKind(StrEnum):
    """What an aggregate needs of each row."""

    PRESENCE = "presence"
    DISTINCT = "distinct"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One row-level column that aggregates share."""

    kind: ArgumentKind
    source: SourceColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One released number.

    Attributes:
        name: Output name.
        kind: What is computed.
        type: Output type: ``integer`` for counts, ``double`` otherwise.
        argument: Index into the arguments; -1 for ``count(*)`` and for a unit.
        unit: Index of the unit column that is counted; -1 unless it counts units.
        source: The column; empty for ``count(*)``.
    """

    name: str
    kind: AggregateKind
    type: ColumnType
    argument: int
    unit: int
    source: tuple[SourceColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitColumn:
    """One kind of protected unit, counted in every released row.

    Attributes:
        namespace: Whose identifiers.
        source: The key column that is counted.
        columns: Scan and name of every unit column that the join makes equal to it.
        datasets: Their lineages.
    """

    namespace: str
    source: SourceColumn
    columns: tuple[tuple[int, str], ...]
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedQuery:
    """Proof that a query was admitted; :func:`~cleanroom.admission.admit.lower` mints it.

    Attributes:
        scans: Datasets in FROM order.
        joins: Equalities, each between a scan and an earlier one.
        conditions: Conjuncts of the WHERE clause.
        keys: Group keys, in the order of the GROUP BY clause.
        arguments: Row-level columns that the aggregates need.
        aggregates: Released numbers, in output order.
        units: Every protected unit; empty exactly when the query is public.
        output: Names of the result's columns in order.
        parameters: Names of the parameters used.
        columns: Columns used, by lineage, sorted.
        public: Whether every dataset is public.
    """

    scans: tuple[Scan, ...]
    joins: tuple[JoinEquality, ...]
    conditions: tuple[Condition, ...]
    keys: tuple[KeyColumn, ...]
    arguments: tuple[Argument, ...]
    aggregates: tuple[Aggregate, ...]
    units: tuple[UnitColumn, ...]
    output: tuple[str, ...]
    parameters: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    public: bool
