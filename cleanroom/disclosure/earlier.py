# SPDX-License-Identifier: Apache-2.0
"""Every number released so far, found by who contributed to it.

Of two vectors that differ in fewer than d units, fewer than d buckets of their sketches
differ, so their first d non-empty buckets have one in common. d look-ups of a bucket's
content find every earlier vector that could be so close, and nothing is missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from cleanroom.disclosure.past import PastNumber, PastRow, PastTable, row_key
from cleanroom.disclosure.sketch import WORD_BYTES, distance, first_filled, folded
from cleanroom.errors import DisclosureRefusedError

_NOTHING = -1  # what all sketches with hardly a filled bucket have in common
_Filled = dict[int, list[int]]
_COARSEST = 4  # buckets a unit of difference, below which unrelated vectors would look close


class Earlier:
    """Numbers in the order in which they were released; the earliest close one answers."""

    def __init__(self, *, units: int, buckets: int) -> None:
        """Take how many units two numbers may differ by, and the buckets of new sketches."""
        self._units = units
        self._buckets = buckets
        self._numbers: list[PastNumber] = []
        self._found: dict[str, dict[int, _Filled]] = defaultdict(dict)
        self._rows: dict[bytes, list[PastRow]] = defaultdict(list)

    def add_table(self, table: PastTable, sums: Iterable[PastNumber] = ()) -> None:
        """Add the rows of one table, and then the sums that anybody can make of them."""
        for row in table.rows:
            self.add_row(row)
        for number in sums:
            self.add(number)

    def add_row(self, row: PastRow) -> None:
        """Add a row, to be found by its key as well."""
        self._rows[row_key(row.parts)].append(row)
        for number in row.numbers:
            self.add(number)

    def add(self, number: PastNumber) -> None:
        """Add one number after all others.

        Raises:
            DisclosureRefusedError: Its sketches are too coarse for today's rule.
        """
        position = len(self._numbers)
        self._numbers.append(number)
        for space, sketch in number.sketches.items():
            kept = folded(sketch, buckets=self._buckets)
            if len(kept) < _COARSEST * self._units * WORD_BYTES:
                raise DisclosureRefusedError(
                    "difference: an earlier release is remembered too coarsely for so many units",
                    code="disclosure.state-coarse",
                    hint="a policy raised its difference since; lower it",
                )
            found = self._found[space].setdefault(len(kept), {})
            for bucket in self._filled(kept):
                found.setdefault(bucket, []).append(position)

    def nearest(self, sketches: Mapping[str, bytes]) -> PastNumber | None:
        """Return the earliest number that differs in fewer units than agreed, if any does."""
        positions = {
            position
            for space, sketch in sketches.items()
            for position in self._candidates(space, sketch)
        }
        for position in sorted(positions):
            if self.is_close(sketches, self._numbers[position]):
                return self._numbers[position]
        return None

    def are_apart(self, numbers: Sequence[PastNumber]) -> bool:
        """Tell whether numbers of one row are the same, or enough units differ.

        Otherwise the same question could be answered with one of them or the other.
        """
        return all(
            self._differing(one.sketches[space], other.sketches[space]) >= self._units
            or (one.sketches[space] == other.sketches[space] and one.value == other.value)
            for one, other in combinations(numbers, 2)
            for space in one.sketches.keys() & other.sketches.keys()
        )

    def has_row(self, parts: Sequence[bytes]) -> bool:
        """Tell whether a row of this key was ever released."""
        return row_key(parts) in self._rows

    def row_like(
        self, parts: Sequence[bytes], numbers: Sequence[Mapping[str, bytes]]
    ) -> tuple[PastNumber, ...]:
        """Return the numbers of the earliest row of this key that is close in all of them.

        Empty if there is none. Whoever removes one person from a published row gets that
        row, even if the rest were too few to be published: its absence would be an answer.
        """
        for row in self._rows.get(row_key(parts), ()):
            found = [self._among(sketches, row) for sketches in numbers]
            if None not in found:
                return tuple(number for number in found if number is not None)
        return ()

    def is_close(self, sketches: Mapping[str, bytes], number: PastNumber) -> bool:
        """Tell whether fewer units differ than agreed, for one kind of unit at least."""
        return any(
            self._differing(sketch, number.sketches[space]) < self._units
            for space, sketch in sketches.items()
            if space in number.sketches
        )

    def _among(self, sketches: Mapping[str, bytes], row: PastRow) -> PastNumber | None:
        close = (number for number in row.numbers if self.is_close(sketches, number))
        return next(close, None)

    def _differing(self, one: bytes, other: bytes) -> int:
        buckets = min(len(one), len(other)) // WORD_BYTES
        return distance(folded(one, buckets=buckets), folded(other, buckets=buckets))

    def _candidates(self, space: str, sketch: bytes) -> Iterator[int]:
        for size, found in self._found.get(space, {}).items():
            for bucket in self._filled(folded(sketch, buckets=size // WORD_BYTES)):
                yield from found.get(bucket, ())

    def _filled(self, sketch: bytes) -> list[int]:
        found = first_filled(sketch, count=self._units)
        return found if len(found) == self._units else [*found, _NOTHING]
