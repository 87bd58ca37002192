# SPDX-License-Identifier: Apache-2.0
"""Which released numbers another one may be made of, told by the keys they stand under.

What is known of the women of the north are the rows of that key, rows and sums of the women
and of the north, rows that are cut finer, and whatever stands under keys of other columns:
those may be the same people in another spelling. Rows of other women are other people, whose
numbers are told from sums of both where there are few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

from cleanroom.disclosure.past import PastNumber, PastTable
from cleanroom.disclosure.sketch import WORD_BYTES
from cleanroom.kernel.record import dataclass

MOST_PARTS = 4  # beyond so many keys, only the sum of all rows is looked at
_MANY_BUCKETS = 2**20
KeyedNumber: TypeAlias = tuple[tuple[bytes, ...], PastNumber]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Released:
    """One released table, and which of its rows have a part in their key."""

    table: PastTable
    rows: Mapping[bytes, frozenset[int]]


class Known:
    """Released numbers by their keys, in whatever order a query names the columns."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._by_key: dict[tuple[bytes, ...], list[PastNumber]] = defaultdict(list)
        self._tables: list[_Released] = []
        self.buckets = _MANY_BUCKETS  # of the coarsest sketch

    def add(self, table: PastTable, sums: Iterable[KeyedNumber]) -> None:
        """Add a table and the sums that anybody can make of it."""
        rows: dict[bytes, set[int]] = defaultdict(set)
        for place, row in enumerate(table.rows):
            self._by_key[_key(row.parts)] += row.numbers
            sketches = [sketch for number in row.numbers for sketch in number.sketches.values()]
            self.buckets = min([self.buckets, *(len(sketch) // WORD_BYTES for sketch in sketches)])
            for part in row.parts:
                rows[part].add(place)
        for parts, number in sums:
            self._by_key[_key(parts)].append(number)
        kept = {part: frozenset(places) for part, places in rows.items()}
        self._tables.append(_Released(table=table, rows=kept))
        # A table of few rows has the coarse ones, which are made of most people.
        self._tables.sort(key=lambda released: len(released.table.rows))

    def under(self, parts: Sequence[bytes]) -> Sequence[PastNumber]:
        """Return the rows and sums of one key."""
        return self._by_key.get(_key(parts), ())

    def around(self, parts: Sequence[bytes]) -> Iterator[PastNumber]:
        """Give what stands under some of the parts, and then rows that have them beside others."""
        sizes = range(len(parts) - 1, 0, -1) if len(parts) <= MOST_PARTS else ()
        for kept in (kept for size in sizes for kept in combinations(parts, size)):
            yield from self.under(kept)
        for released in self._tables:
            places = [released.rows[part] for part in parts if part in released.rows]
            for place in sorted(frozenset.intersection(*places)) if places else ():
                yield from released.table.rows[place].numbers

    def elsewhere(self, parts: frozenset[bytes]) -> Iterator[PastNumber]:
        """Give what has no key, and then the tables that share no part with these."""
        yield from self.under(())
        for released in self._tables:
            if parts.isdisjoint(released.rows):
                for row in released.table.rows:
                    yield from row.numbers

    def others(self, parts: frozenset[bytes], *, most: int) -> Iterator[PastNumber]:
        """Give tables of so few numbers that share a part: their other rows are beside these.

        Under other values of one column are other people, unless a UNION wrote it, or a
        number cuts across: of north and south together, less the south.
        """
        for released in self._tables:
            rows = released.table.rows
            if (
                not parts.isdisjoint(released.rows)
                and sum(len(row.numbers) for row in rows) <= most
            ):
                for row in rows:
                    yield from row.numbers


def _key(parts: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(parts))
