# SPDX-License-Identifier: Apache-2.0
"""A relation while it is lowered: its tree, whom its rows belong to, and what influenced them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cleanroom.admission.context.builder import Builder
from cleanroom.admission.context.facts import Level
from cleanroom.admission.context.scope import Scope
from cleanroom.admission.typed.expr import Expr, Ref
from cleanroom.admission.typed.relation import Extend, Filter, OneRow, Relation
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One kind of unit that every row of a relation belongs to.

    Attributes:
        owner: Whose identifiers.
        namespace: Which of the owner's.
        column: The column that is counted.
        keys: Columns that hold exactly the unit's own identifier; counting their distinct
            values is counting units. Empty where a stand-in may take the unit's place.
        datasets: Lineages whose units it holds.
    """

    owner: str
    namespace: str
    column: int
    keys: frozenset[int]
    datasets: frozenset[str]

    @property
    def kind(self) -> tuple[str, str]:
        """Two tracks of one kind count the same people."""
        return self.owner, self.namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A relation and what is known of its rows.

    Attributes:
        relation: Its tree.
        level: What its rows are about.
        tracks: The unit of each kind that a row belongs to.
        branches: Boolean columns that tell which branch a whole row took, an outer join's match.
        lineages: Datasets that its rows depend on.
        single: Whether it has at most one row.
        divided: Whether how many rows a unit has hangs on values: on those that it was grouped by,
            or on whether it is in every input of a union.
        inputs: Boolean columns that tell from which input of a union a row came, those of one
            union together: what a sum adds up of them is about the same people.
        several: Whether a unit may have more than one row.
    """

    relation: Relation
    level: Level
    tracks: tuple[Track, ...] = ()
    branches: frozenset[int] = frozenset()
    lineages: frozenset[str] = frozenset()
    single: bool = False
    divided: bool = False
    inputs: frozenset[frozenset[int]] = frozenset()
    several: bool = True

    def on(self, relation: Relation) -> Lowered:
        """Return the same facts about a relation built on top of this one."""
        return replace(self, relation=relation)

    def where(self, condition: Expr) -> Lowered:
        """Return the rows for which a condition holds."""
        return self.on(Filter(input=self.relation, condition=condition))

    def extended(self, outputs: Iterable[tuple[int, Expr]]) -> Lowered:
        """Return the rows with computed columns."""
        added = tuple(outputs)
        return self.on(Extend(input=self.relation, outputs=added)) if added else self


NOTHING = Lowered(relation=OneRow(), level=Level.RELEASED, single=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A lowered SELECT or set operation with the names of its outputs."""

    lowered: Lowered
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """A lowered FROM clause."""

    lowered: Lowered
    scope: Scope


def ref(builder: Builder, column: int) -> Ref:
    """Refer to a column with its type."""
    return Ref(column=column, type=builder.columns[column].type)
