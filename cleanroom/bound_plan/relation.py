# SPDX-License-Identifier: Apache-2.0
"""Where each column of an intermediate table comes from, and whose rows are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from enum import Enum
from itertools import count

from cleanroom.kernel.record import dataclass


class Meaning(Enum):
    """What a column holds, as far as counting people is concerned."""

    PLAIN = "plain"
    KEY = "key"  # identifies somebody
    ROW_ID = "row identifier"
    PRINT = "fingerprint"  # a salted hash of a key
    PARAMETER = "parameter"
    CONSTANT = "constant"
    UNITS = "number of units"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What is known of one column.

    Attributes:
        origin: The same number wherever the same values are.
        meaning: What it holds.
        units: Protected scans whose unit the value identifies; for ``UNITS``, those it counts.
        references: Key columns, ``owner.table.column``, that hold this value.
        nullable: Whether a row can be without a value.
        determined_by: Origin of the key that this one is a function of; -1 if of none.
        name: The parameter's name, or the constant's text; empty otherwise.
    """

    origin: int
    meaning: Meaning = Meaning.PLAIN
    units: frozenset[int] = frozenset()
    references: frozenset[str] = frozenset()
    nullable: bool = True
    determined_by: int = -1
    name: str = ""

    @property
    def is_identifier(self) -> bool:
        """Whether it must not be looked into."""
        return self.meaning in {Meaning.KEY, Meaning.ROW_ID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What is known of one intermediate table.

    Attributes:
        columns: Its columns in order.
        scans: Protected scans whose rows are in it.
        nameless: Scans whose rows without a unit have not been dropped yet.
        grain: Columns whose values together occur once; empty if nothing is known. Of a table
            of groups, what the table had that it summarises.
        is_statistics: Whether a row belongs to a group and no more to a unit.
        outer_pairs: Origins of two keys of which at least one is there in every row.
    """

    columns: tuple[Lineage, ...]
    scans: frozenset[int] = frozenset()
    nameless: frozenset[int] = frozenset()
    grain: tuple[Lineage, ...] = ()
    is_statistics: bool = False
    outer_pairs: frozenset[frozenset[int]] = field(default_factory=frozenset)

    @property
    def is_protected(self) -> bool:
        """Whether somebody's rows are in it."""
        return bool(self.scans)

    def changed(self, change: Callable[[Lineage], Lineage]) -> Relation:
        """Say something more about columns."""
        return replace(self, columns=tuple(change(column) for column in self.columns))


class Origins:
    """Gives every new column a number of its own."""

    def __init__(self) -> None:
        """Start from nothing."""
        self._numbers = count()

    def new(self, meaning: Meaning = Meaning.PLAIN, *, name: str = "") -> Lineage:
        """Describe a column that is computed."""
        return Lineage(origin=next(self._numbers), meaning=meaning, name=name)

    def many(self, number: int) -> tuple[Lineage, ...]:
        """Describe several columns that are computed."""
        return tuple(self.new() for _ in range(number))


def united(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    """Unite sets of scans."""
    return frozenset().union(*sets)
