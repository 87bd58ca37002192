# SPDX-License-Identifier: Apache-2.0
"""What is known of a column or an expression: where it comes from and what it may be used for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from cleanroom.admission.typed.expr import Expr, Ref, refs
from cleanroom.admission.typed.ranges import UNKNOWN, Range
from cleanroom.admission.typed.tree import SourceColumn
from cleanroom.contract.policy_terms import Role
from cleanroom.kernel.record import dataclass

NOT_LOOKED_UP = -1


class Level(StrEnum):
    """What the rows of a relation are about."""

    PROTECTED = "protected"  # every row belongs to one unit of each kind
    PUBLIC = "public"  # public datasets only
    RELEASED = "released"  # released tables and constants only


class Degree(IntEnum):
    """How a value depends on columns, as far as sums of it are concerned."""

    CONSTANT = 0
    LINEAR = 1
    PRODUCT = 2
    OTHER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A column that tells units or rows apart; its values are never computed with.

    Attributes:
        role: ``key`` or ``row_id``.
        namespace: Whose identifiers; empty for row ids.
        source: The column of the policy.
        identifies: Whether equal values mean the same unit of its dataset, and it is never NULL.
    """

    role: Role
    namespace: str
    source: SourceColumn
    identifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """What is known of one column of a relation.

    Attributes:
        type: Its type.
        sources: Columns of datasets that it depends on.
        identifiers: What it identifies; more than one after a union or a full join.
        degree: How it depends on them.
        range: Between which bounds and on which grid its values lie, if they are numbers.
        branches: Boolean columns of the relation that tell which branch its value took.
        look_up: The look-up that it comes from, or ``NOT_LOOKED_UP``.
        parts: Columns of the relation that it was made of, each by itself; empty if of one.
        counted: Datasets whose rows decided how often something was counted in it. A number of
            one owner's rows is that owner's number, although no column of theirs is in it.
        added: Whether rows of several inputs of a union were added up in it, so that its branches
            are checked where they meet.
        of_input: Whether it is a condition that holds in rows of one input of a union only.
        of_unit: Whether it is a condition that holds in all rows of a unit, or in none.
        summands: How many things it adds up or is one of (``tallies``).
    """

    type: str
    sources: frozenset[SourceColumn] = frozenset()
    identifiers: tuple[Identifier, ...] = ()
    degree: Degree = Degree.CONSTANT
    range: Range = UNKNOWN
    branches: frozenset[int] = frozenset()
    look_up: int = NOT_LOOKED_UP
    parts: frozenset[int] = frozenset()
    counted: frozenset[str] = frozenset()
    added: bool = False
    of_input: bool = False
    of_unit: bool = False
    summands: int = 1


Columns = Mapping[int, ColumnFacts]


def sources_of(columns: Columns, *exprs: Expr) -> frozenset[SourceColumn]:
    """Return the columns of datasets that expressions depend on.

    A key that is only tested for NULL, or counted, is not something that a value tells.
    """
    found: set[SourceColumn] = set()
    for expr in exprs:
        bare = isinstance(expr, Ref)
        for ref in refs(expr):
            if bare or not columns[ref].identifiers:
                found |= columns[ref].sources
    return frozenset(found)


def counted_of(columns: Columns, *exprs: Expr) -> frozenset[str]:
    """Return the datasets whose rows were counted in what expressions read."""
    return frozenset(lineage for ref in refs(*exprs) for lineage in columns[ref].counted)


def adds_up(columns: Columns, *exprs: Expr) -> bool:
    """Tell whether expressions read what rows of several inputs of a union were added up in."""
    return any(columns[ref].added for ref in refs(*exprs))


def look_ups_of(columns: Columns, *exprs: Expr) -> frozenset[int]:
    """Return the look-ups that expressions read; ``NOT_LOOKED_UP`` for other columns."""
    return frozenset(columns[ref].look_up for ref in refs(*exprs))


def identifiers_of(columns: Columns, expr: Expr) -> tuple[Identifier, ...]:
    """Return what a bare column identifies; nothing for any other expression."""
    return columns[expr.column].identifiers if isinstance(expr, Ref) else ()
