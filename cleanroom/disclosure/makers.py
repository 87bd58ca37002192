# SPDX-License-Identifier: Apache-2.0
"""What a number is made of, if numbers that were released add up to it but for a few units.

The numbers that all rows of a table are compared with are chosen, and eliminated, once for the
table; those of a row and of its key come to them row by row. So do the rows before it, where the
table is small: north and south may add up to what was released of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

from cleanroom.disclosure.combinations import (
    Basis,
    Combination,
    combination_of,
    is_any_made,
)
from cleanroom.disclosure.known import Known
from cleanroom.disclosure.multiples import fraction_of
from cleanroom.disclosure.past import MOST_SCALE, TOTAL_DIGITS, PastNumber
from cleanroom.disclosure.sketch import WORD_BYTES, added, folded, multiplied
from cleanroom.kernel.record import dataclass

MOST_COMBINED = 64  # numbers of which another one can be made
_MOST_ELSEWHERE = 48  # of them, those that all rows of a table have in common
MOST_OF_TABLE = 32  # numbers of a table, of which one is compared with those of the rows before it
_MORE_AT_ONCE = 16  # for keys of several rows
_LEAST_COMBINED = 2  # of one number there are multiples only
_MORE_DIGITS = 10  # of a multiple: fractions need them
# What answers a multiple of an earlier number by a factor that nobody can tell: nothing does.
NO_ANSWER = PastNumber(total=0, scale=0, sketches={})
_Found: TypeAlias = dict[bytes, PastNumber]
_Made: TypeAlias = list[tuple[bytes, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a number is made of; of nothing if it is answered by nobody.

    Attributes:
        terms: Numbers, and what each is multiplied by, modulo the prime.
    """

    terms: tuple[tuple[PastNumber, int], ...]

    @property
    def number(self) -> PastNumber:
        """The sum; ``NO_ANSWER`` if nobody can tell it."""
        return added_up(self.terms) if self.terms else NO_ANSWER


class Makers:
    """Everything that the numbers of one table may be made of."""

    def __init__(
        self,
        known: Known,
        *,
        units: int,
        buckets: int,
        parts: frozenset[bytes] = frozenset(),
        numbers: int = 0,
    ) -> None:
        """Take what is known, the parts of all keys of the table, and how many numbers it has."""
        self._known = known
        self._units = units
        self._buckets = min(buckets, known.buckets)
        self._mine = numbers if numbers <= MOST_OF_TABLE else 0
        self._rows: list[PastNumber] = []
        self._elsewhere = [*known.elsewhere(parts), *known.others(parts, most=MOST_OF_TABLE)]
        self._bases: dict[str, tuple[list[bytes], Basis | None]] = {}

    def add_row(self, numbers: Iterable[PastNumber]) -> None:
        """Add the numbers of a row of the table, of which those of later rows may be made."""
        if not self._mine:
            return
        self._rows += numbers
        # Only as many as were counted on; the rest would be more than can be eliminated.
        del self._rows[self._mine :]
        for space, (common, basis) in self._bases.items():
            for sketch in self._by_sketch(self._rows, space):
                if basis is not None and sketch not in common:
                    common.append(sketch)
                    basis.add(sketch)
        self._bases = {space: found for space, found in self._bases.items() if found[1]}

    def compares_rows(self) -> bool:
        """Tell whether the table is so small that its rows are compared with each other."""
        return bool(self._mine)

    def is_quiet(self, rows: Sequence[tuple[Sequence[bytes], Sequence[PastNumber]]]) -> bool:
        """Tell at once that no number of a small table is made of anything, in nearly all tables.

        Args:
            rows: The parts of the key of each row, and its numbers.
        """
        numbers = [number for _, mine in rows for number in mine]
        if len(numbers) < _LEAST_COMBINED:
            return False
        keys = [number for parts, _ in rows for number in self._near(parts)]
        spaces = {space for number in numbers for space in number.sketches}
        return not any(self._is_any_made(keys, numbers, space) for space in sorted(spaces))

    def _near(self, parts: Sequence[bytes]) -> Iterator[PastNumber]:
        yield from self._known.under(parts)
        yield from self._known.around(parts)

    def _is_any_made(
        self, keys: Sequence[PastNumber], numbers: Sequence[PastNumber], space: str
    ) -> bool:
        most = min(_MOST_ELSEWHERE, MOST_COMBINED - self._mine)
        common = [*self._by_sketch(self._elsewhere, space)][:most]
        known = [*dict.fromkeys([*common, *self._by_sketch(keys, space)])]
        every = [*dict.fromkeys([*known, *self._by_sketch(numbers, space)])]
        if len(every) > MOST_COMBINED + _MORE_AT_ONCE:
            return True
        return is_any_made(every, known=len(known), units=self._units)

    def has_rows(self) -> bool:
        """Tell whether there are rows before this one that it is compared with."""
        return bool(self._rows)

    def combined(
        self,
        parts: Sequence[bytes],
        number: PastNumber,
        beside: Sequence[PastNumber],
        *,
        fresh: Sequence[PastNumber] = (),
    ) -> PastNumber | None:
        """Return what other numbers add up to, if a number is that (see ``relation``)."""
        found = self.relation(parts, number, beside, fresh=fresh)
        return found.number if found else None

    def relation(
        self,
        parts: Sequence[bytes],
        number: PastNumber,
        beside: Sequence[PastNumber],
        *,
        fresh: Sequence[PastNumber] = (),
    ) -> Relation | None:
        """Return which other numbers add up to a number, if some do but for a few units.

        Args:
            parts: Of its key.
            number: The number.
            beside: The numbers of its row, as they are answered.
            fresh: Those of them that were not known before; of these alone nothing is made, because
                the rules for one row have told them apart.

        Returns:
            The numbers; their sum is ``NO_ANSWER`` if nobody can tell by which factors, or if more
            numbers stand under the key than can be compared; None if there are none.
        """
        own = [*beside, *self._known.under(parts)]
        others = [*own, *self._known.around(parts)]
        for space in sorted(number.sketches):
            one = self._folded(number, space)
            new = {self._folded(item, space) for item in fresh if space in item.sketches}
            under = self._by_sketch(own, space)
            if len(under) > MOST_COMBINED:
                return Relation(terms=())
            found = self._of_key(one, under) if parts else []
            found = found or self._of_all(one, self._by_sketch(others, space), space)
            if not new.issuperset(sketch for sketch, _ in found):
                every = [*own, *self._elsewhere, *self._rows, *others]
                known = under | self._by_sketch(every, space)
                return Relation(terms=tuple((known[item], factor) for item, factor in found))
        return None

    def _of_key(self, one: bytes, under: _Found) -> _Made:
        """Look at the numbers of one row and its key, as far as there are two."""
        sketches = [*under]
        if len(sketches) < _LEAST_COMBINED:
            return []
        return _used(sketches, combination_of(one, sketches, units=self._units))

    def _of_all(self, one: bytes, beside: _Found, space: str) -> _Made:
        """Look at what stands under other keys as well."""
        common, basis = self._basis(space)
        more = [sketch for sketch in beside if sketch not in common]
        more = more[: max(MOST_COMBINED - len(common), MOST_COMBINED - _MOST_ELSEWHERE)]
        if basis is None or len(common) + len(more) < _LEAST_COMBINED:
            return self._of_key(one, {sketch: beside[sketch] for sketch in more})
        return _used([*common, *more], basis.combination_of(one, more))

    def _basis(self, space: str) -> tuple[Sequence[bytes], Basis | None]:
        if space not in self._bases:
            most = min(_MOST_ELSEWHERE, MOST_COMBINED - self._mine)
            common = [*self._by_sketch(self._elsewhere, space)][:most]
            mine = [item for item in self._by_sketch(self._rows, space) if item not in common]
            common += mine
            planned = len(common) - len(mine) + self._mine
            basis = Basis(common, units=self._units, most=planned) if common else None
            self._bases[space] = (common, basis)
        return self._bases[space]

    def _by_sketch(self, numbers: Iterable[PastNumber], space: str) -> _Found:
        found: _Found = {}
        for number in numbers:
            if space in number.sketches:
                found.setdefault(self._folded(number, space), number)
        return found

    def _folded(self, number: PastNumber, space: str) -> bytes:
        return folded(number.sketches[space], buckets=self._buckets)


def _used(sketches: Sequence[bytes], made: Combination | None) -> _Made:
    factors = made.factors if made else ()
    return [pair for pair in zip(sketches, factors, strict=False) if pair[1]]


def added_up(used: Sequence[tuple[PastNumber, int]]) -> PastNumber:
    """Add up multiples of numbers; ``NO_ANSWER`` if nobody can tell a factor.

    The grid is fine enough for any factor that can be told.
    """
    value = Fraction(0)
    for number, factor in used:
        fraction = fraction_of(factor)
        if fraction is None:
            return NO_ANSWER
        value += number.value * fraction
    finest = max(number.scale for number, _ in used)
    scale = min(MOST_SCALE, finest + _MORE_DIGITS, TOTAL_DIGITS - 1 - len(str(abs(int(value)))))
    return PastNumber(total=round(value * 10**scale), scale=scale, sketches=_sketches(used))


def _sketches(used: Sequence[tuple[PastNumber, int]]) -> dict[str, bytes]:
    spaces = set.intersection(*(set(number.sketches) for number, _ in used))
    found = {}
    for space in sorted(spaces):
        buckets = min(len(number.sketches[space]) for number, _ in used) // WORD_BYTES
        folds = [
            multiplied(folded(number.sketches[space], buckets=buckets), factor)
            for number, factor in used
        ]
        found[space] = added(folds)
    return found
