# SPDX-License-Identifier: Apache-2.0
"""Every number released so far, found by who contributed to it.

Of two vectors that differ in fewer than d units, fewer than d buckets of their sketches
differ, so their first d non-empty buckets have one in common. d look-ups of a bucket's
content find every earlier vector that could be so close, and nothing is missed. Multiples
are found in the same way, by what :mod:`cleanroom.disclosure.multiples` says they have in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

from cleanroom.disclosure.combinations import is_hiding
from cleanroom.disclosure.known import KeyedNumber, Known
from cleanroom.disclosure.makers import MOST_COMBINED, NO_ANSWER, Makers, added_up
from cleanroom.disclosure.multiples import factor_of, ratios
from cleanroom.disclosure.past import PastNumber, PastRow, PastTable, row_key
from cleanroom.disclosure.sketch import WORD_BYTES, distance, first_filled, folded
from cleanroom.errors import DisclosureRefusedError

_NOTHING = -1  # what all sketches with hardly a filled bucket have in common
_Filled = dict[int, list[int]]
_COARSEST = 4  # buckets a unit of difference, below which unrelated vectors would look close
_LEAST_HIDING = 2  # numbers of a row are told apart in pairs


class Earlier:
    """Numbers in the order in which they were released; the earliest close one answers."""

    def __init__(self, *, units: int, buckets: int) -> None:
        """Take how many units two numbers may differ by, and the buckets of new sketches."""
        self._units = units
        self._buckets = buckets
        self._numbers: list[PastNumber] = []
        self._found: dict[str, dict[int, _Filled]] = defaultdict(dict)
        self._multiples: dict[str, dict[int, _Filled]] = defaultdict(dict)
        self._rows: dict[bytes, list[PastRow]] = defaultdict(list)
        self._known = Known()

    def add_table(self, table: PastTable, sums: Iterable[KeyedNumber] = ()) -> None:
        """Add the rows of one table, and then the sums that anybody can make of them."""
        kept = tuple(sums)
        for row in table.rows:
            self.add_row(row)
        for _, number in kept:
            self.add(number)
        self._known.add(table, kept)

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
            for index, marks in (
                (self._found, self._filled(kept)),
                (self._multiples, self._ratios(kept)),
            ):
                found = index[space].setdefault(len(kept), {})
                for mark in marks:
                    found.setdefault(mark, []).append(position)

    def nearest(self, sketches: Mapping[str, bytes]) -> PastNumber | None:
        """Return the earliest number that differs in fewer units than agreed, if any does.

        If none does, the earliest one of which this is a multiple, multiplied; ``NO_ANSWER`` if
        nobody can tell by what.
        """
        for position in self._positions(self._found, sketches, self._filled):
            if self.is_close(sketches, self._numbers[position]):
                return self._numbers[position]
        for position in self._positions(self._multiples, sketches, self._ratios):
            found = self._multiple(sketches, self._numbers[position])
            if found is not None:
                return found
        return None

    def are_apart(self, numbers: Sequence[PastNumber]) -> bool:
        """Tell whether numbers of one row are the same, or enough units differ.

        Otherwise the same question could be answered with one of them or the other.
        """
        return all(
            self._is_apart(one.sketches[space], other.sketches[space])
            or (one.sketches[space] == other.sketches[space] and one.value == other.value)
            for one, other in combinations(numbers, 2)
            for space in one.sketches.keys() & other.sketches.keys()
        ) and not self._is_hiding(numbers)

    def _is_hiding(self, numbers: Sequence[PastNumber]) -> bool:
        """Tell whether a number is what others of its row add up to, but for a few units."""
        return any(
            is_hiding(sketches, units=self._units)
            for space in {space for number in numbers for space in number.sketches}
            for sketches in (self._different(numbers, space),)
            if len(sketches) > _LEAST_HIDING
        )

    def _different(self, numbers: Sequence[PastNumber], space: str) -> list[bytes]:
        found = (item.sketches[space] for item in numbers if space in item.sketches)
        return [*dict.fromkeys(found)]

    def makers(self, parts: Iterable[bytes] = (), *, numbers: int = 0) -> Makers:
        """Return what the numbers of a table may be made of, given the parts of all its keys.

        Of so many numbers, those of the rows before are among them.
        """
        return Makers(
            self._known,
            units=self._units,
            buckets=self._buckets,
            parts=frozenset(parts),
            numbers=numbers,
        )

    def require_comparable(self, *, row: int, totals: int) -> None:
        """Refuse more numbers than can be compared with what the others add up to.

        Args:
            row: How many a row has.
            totals: How many numbers without a key are asked for; they meet all earlier ones.

        Raises:
            DisclosureRefusedError: Too many. How many were released is known to whoever got them.
        """
        known = {frozenset(item.sketches.items()) for item in self._known.under(())}
        if max(row, totals and len(known) + totals) > MOST_COMBINED:
            raise DisclosureRefusedError(
                f"numbers: found more than can be compared, agreed at most {MOST_COMBINED} in a "
                "row, and in all totals of these datasets together",
                code="disclosure.combinations",
                hint="ask for fewer numbers in one query, or by groups instead of in total",
            )

    def _is_apart(self, one: bytes, other: bytes) -> bool:
        """Tell whether neither number is nearly the other, nor nearly a multiple of it."""
        if self._differing(one, other) < self._units:
            return False
        found = self._factor(one, other)
        return found is None or not found[1]

    def has_any(self) -> bool:
        """Tell whether anything was ever released."""
        return bool(self._numbers)

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
        close = [number for number in row.numbers if self.is_close(sketches, number)]
        multiples = (self._multiple(sketches, number) for number in row.numbers)
        found = next(iter(close), None) or next((item for item in multiples if item), None)
        return None if found is NO_ANSWER else found

    def _multiple(self, sketches: Mapping[str, bytes], number: PastNumber) -> PastNumber | None:
        """Return an earlier number times what this one is a multiple of it by."""
        for space in sorted(sketches.keys() & number.sketches.keys()):
            found = self._factor(sketches[space], number.sketches[space])
            if found is not None:
                return added_up([(number, found[0])])
        return None

    def _factor(self, one: bytes, other: bytes) -> tuple[int, int] | None:
        buckets = min(len(one), len(other)) // WORD_BYTES
        left, right = folded(one, buckets=buckets), folded(other, buckets=buckets)
        if self._ratios(left).isdisjoint(self._ratios(right)):
            return None
        return factor_of(left, right, units=self._units)

    def _differing(self, one: bytes, other: bytes) -> int:
        buckets = min(len(one), len(other)) // WORD_BYTES
        return distance(folded(one, buckets=buckets), folded(other, buckets=buckets))

    def _positions(
        self,
        index: Mapping[str, Mapping[int, _Filled]],
        sketches: Mapping[str, bytes],
        marks: Callable[[bytes], Iterable[int]],
    ) -> list[int]:
        """Return where numbers are, earliest first, that have a mark of these in common."""
        return sorted(
            {
                position
                for space, sketch in sketches.items()
                for size, found in index.get(space, {}).items()
                for mark in marks(folded(sketch, buckets=size // WORD_BYTES))
                for position in found.get(mark, ())
            }
        )

    def _filled(self, sketch: bytes) -> list[int]:
        found = first_filled(sketch, count=self._units)
        return found if len(found) == self._units else [*found, _NOTHING]

    def _ratios(self, sketch: bytes) -> frozenset[int]:
        return ratios(sketch, units=self._units)
