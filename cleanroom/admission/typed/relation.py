# SPDX-License-Identifier: Apache-2.0
"""The closed relational tree of an admitted query.

Every column has a number that is unique in the query, so a join needs no names and no
column can be taken for another one. A node passes on all columns of its inputs;
only grouping, union and distinct begin with new ones. What nobody reads is pruned.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from cleanroom.admission.typed.expr import Expr
from cleanroom.kernel.record import dataclass


class JoinKind(StrEnum):
    """How rows without a partner are treated."""

    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"


class MatchKind(StrEnum):
    """What becomes of a row that has, or has no, partner elsewhere."""

    SEMI = "semi"  # kept if it has one
    ANTI = "anti"  # kept if it has none
    MARK = "mark"  # kept, with a flag


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanColumn:
    """One column of a dataset.

    Attributes:
        column: Its number here.
        name: Its name there.
        type: Its declared type.
        identifier: Whether it tells units or rows apart, so that its values never leave.
    """

    column: int
    name: str
    type: str
    identifier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One reading of one dataset; rows without their unit are left out."""

    lineage: str
    columns: tuple[ScanColumn, ...]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedTable:
    """The released table of an earlier stage: public values only."""

    stage: int
    columns: tuple[ScanColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRow:
    """A single row without columns, for a SELECT of constants and released values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Every row with computed columns added."""

    input: Relation
    outputs: tuple[tuple[int, Expr], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The rows for which a condition holds."""

    input: Relation
    condition: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Pairs of rows for which a condition holds."""

    kind: JoinKind
    left: Relation
    right: Relation
    condition: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """Rows with public rows looked up: equal ones count once, so they are no weights.

    Attributes:
        left: The rows.
        right: The public rows; reduced to distinct values of ``columns``.
        columns: What is read of them.
        equalities: Pairs of a left expression and a right column that must be equal.
        outer: Whether rows without a match are kept.
        flag: A column that is TRUE where there was a match.
    """

    left: Relation
    right: Relation
    columns: tuple[int, ...]
    equalities: tuple[tuple[Expr, int], ...]
    outer: bool
    flag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Rows of the left side by whether the right side has their key; none is repeated.

    Attributes:
        kind: What becomes of the rows.
        left: The rows.
        right: Where their keys are looked for.
        keys: Pairs of a left and a right column that must be equal.
        flag: New column: whether there was a match.
        unknown: Whether a NULL key has neither a partner nor a lack of one, as for IN.
    """

    kind: MatchKind
    left: Relation
    right: Relation
    keys: tuple[tuple[int, int], ...]
    flag: int
    unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Every row with the columns of a relation that has at most one row."""

    left: Relation
    right: Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAggregate:
    """One aggregate inside a query: of the rows of one unit, or of released rows."""

    column: int
    function: str
    args: tuple[Expr, ...]
    filter: Expr
    distinct: bool
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBy:
    """One row for each combination of keys.

    Attributes:
        input: The rows.
        keys: New column and what it is grouped by.
        aggregates: What is computed of each group.
        always: Whether there is a row even if there are no input rows.
    """

    input: Relation
    keys: tuple[tuple[int, Expr], ...]
    aggregates: tuple[GroupAggregate, ...]
    always: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One key of an order."""

    expr: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCall:
    """One window function.

    Attributes:
        column: New column.
        function: Canonical name.
        args: Arguments.
        partition: Within which rows.
        order: In which order.
        frame: SQL of the frame, from a closed list; empty for the default.
        type: Its type.
    """

    column: int
    function: str
    args: tuple[Expr, ...]
    partition: tuple[Expr, ...]
    order: tuple[Order, ...]
    frame: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Every row with window functions added."""

    input: Relation
    calls: tuple[WindowCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """The rows of several relations under new columns.

    Attributes:
        inputs: The relations.
        columns: New columns, with their types.
        sources: For each input, what each new column is.
        distinct: Whether equal rows count once.
    """

    inputs: tuple[Relation, ...]
    columns: tuple[tuple[int, str], ...]
    sources: tuple[tuple[Expr, ...], ...]
    distinct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Released rows in an order, and so many of them; -1 is all."""

    input: Relation
    orders: tuple[Order, ...]
    limit: int
    offset: int


Relation: TypeAlias = (
    Scan
    | ReleasedTable
    | OneRow
    | Extend
    | Filter
    | Join
    | LookUp
    | Match
    | Attach
    | GroupBy
    | Window
    | Union
    | Sort
)
