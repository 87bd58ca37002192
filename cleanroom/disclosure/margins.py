# SPDX-License-Identifier: Apache-2.0
"""Sums that anybody can make of released rows, and rows made to agree with them.

Whoever has a total and all parts but one has that part. Sketches add up like the numbers
do, so the sum of the parts is a number that was released like any other: a total that
differs from it in fewer than d units is answered with it, and parts that differ from a
known total in fewer than d units are made to add up to it. Either way what is
published is consistent, and says nothing about those few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.known import MOST_PARTS, KeyedNumber
from cleanroom.disclosure.makers import NO_ANSWER, Makers, added_up
from cleanroom.disclosure.past import PastNumber, PastRow
from cleanroom.disclosure.sketch import added, subtracted

MOST_ROUNDS = 4


@dataclass(slots=True, kw_only=True)
class Line:
    """One row on its way out; numbers may still be made to agree with what is known.

    Attributes:
        place: Which group it is.
        parts: Digests of its key's parts.
        numbers: Its numbers.
        repeats: Which of them are earlier answers, or the answer of a row before.
        fixed: Which of them may not be moved, because they or others repeat them.
        published: Whether the row of this key was published before.
        implied: Which of them are just the sum of rows that leave as well.
        follows: Which of them follow from earlier answers and the other rows.
    """

    place: int
    parts: tuple[bytes, ...]
    numbers: list[PastNumber]
    repeats: tuple[bool, ...]
    fixed: list[bool]
    follows: list[bool]
    published: bool = False
    implied: Sequence[bool] = ()

    def is_known(self, column: int) -> bool:
        """Tell whether nothing new is said by this key having this number."""
        return self.published or (bool(self.implied) and self.implied[column])


def sums_of(rows: Sequence[PastRow]) -> Iterator[KeyedNumber]:
    """Add up the rows of a table, along every subset of its keys; say the parts of that key."""
    for parts, family in _families([row.parts for row in rows]):
        for numbers in zip(*(rows[place].numbers for place in family), strict=True):
            yield parts, sum_of(numbers)


def agree(
    lines: Sequence[Line], earlier: Earlier, relations: Sequence[LineRelation] = ()
) -> frozenset[int]:
    """Make rows add up to totals that are known; return the rows that could not.

    One row of each family that has no earlier answer takes the difference: what it then
    says follows from the total and the other rows. Which row that is, and that it is marked
    as following from earlier answers, is the same whether there is a difference or none.
    A row that was made of rows before it stays so.
    """
    stuck: set[int] = set()
    ties = list(_ties(lines, earlier, stuck))
    tied: list[_Tie | LineRelation] = [*ties, *relations]
    for _ in range(MOST_ROUNDS):
        if not [tie for tie in tied if tie.settle()]:
            return frozenset(stuck) | _lost(ties)
    # Without the row that gives way, nothing is said about the rest of its family.
    return frozenset(stuck) | {tie.pivot.place for tie in tied if tie.settle()}


def _lost(ties: Sequence[_Tie]) -> frozenset[int]:
    """Return the rows of which a total was made of sums that have been moved since."""
    return frozenset(tie.pivot.place for tie in ties if tie.is_stale())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tie:
    """One number of one family, the total that it must add up to, and the row that gives way.

    Where the total was made of sums of other numbers of the family, ``beside`` has these.
    """

    family: Sequence[Line]
    column: int
    known: PastNumber
    pivot: Line
    beside: Sequence[PastNumber]

    def is_stale(self) -> bool:
        """Tell whether the sums beside it are others than those by which the total was made."""
        return any(
            sum_of([line.numbers[column] for line in self.family]).value != number.value
            for column, number in enumerate(self.beside)
        )

    def settle(self) -> bool:
        """Make the family add up; tell whether anything had to be moved."""
        total = sum_of([line.numbers[self.column] for line in self.family])
        if total.value == self.known.value:
            return False
        moved = _moved(self.pivot.numbers[self.column], by=(self.known, total))
        self.pivot.numbers[self.column] = moved
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRelation:
    """A number that is made of numbers of rows before it, and of earlier ones.

    Attributes:
        pivot: Its row.
        column: Which of the row's numbers it is.
        earlier: Earlier numbers, and what each is multiplied by.
        rows: Rows before it, which of their numbers, and what that is multiplied by.
    """

    pivot: Line
    column: int
    earlier: Sequence[tuple[PastNumber, int]]
    rows: Sequence[tuple[Line, int, int]]

    def settle(self) -> bool:
        """Make it again of what they are now; tell whether anything had to be moved."""
        mine = [(line.numbers[column], factor) for line, column, factor in self.rows]
        number = added_up([*self.earlier, *mine])
        if number.value == self.pivot.numbers[self.column].value:
            return False
        self.pivot.numbers[self.column] = number
        return True


def _ties(lines: Sequence[Line], earlier: Earlier, stuck: set[int]) -> Iterator[_Tie]:
    """Tie families to the totals that are known of them.

    Where every row repeats an earlier answer, none can give way, and a new key would tell
    which of the earlier answers are parts of the total. One such row is stuck: it is
    withheld, whether anything is left between the rows and the total or not. A row that is
    the sum of other rows of this release tells nothing new by its key.
    """
    taken: set[tuple[int, int]] = set()
    makers = earlier.makers(part for line in lines for part in line.parts)
    for parts, places in _families([line.parts for line in lines]):
        family = [lines[place] for place in places]
        sums = _Sums(parts, earlier, makers)
        for column in range(len(family[0].numbers)):
            known, beside = sums.known(sum_of([line.numbers[column] for line in family]))
            fresh = [line for line in family if not line.fixed[column]]
            if known is None:
                continue
            if not fresh or known is NO_ANSWER:
                stuck.update([line.place for line in family if not line.is_known(column)][-1:])
                continue
            free = [line for line in fresh if (line.place, column) not in taken] or fresh
            taken.add((free[-1].place, column))
            free[-1].follows[column] = True
            yield _Tie(family=family, column=column, known=known, pivot=free[-1], beside=beside)


class _Sums:
    """The sums of the numbers of one family, one after the other."""

    def __init__(self, parts: tuple[bytes, ...], earlier: Earlier, makers: Makers) -> None:
        self._parts = parts
        self._earlier = earlier
        self._makers = makers
        self._before: list[PastNumber] = []
        self._fresh: list[PastNumber] = []

    def known(self, total: PastNumber) -> tuple[PastNumber | None, Sequence[PastNumber]]:
        """Return what a sum must be, if that is known, and the sums that it then hangs on."""
        near = self._earlier.nearest(total.sketches)
        beside: Sequence[PastNumber] = ()
        if near is None and self._earlier.has_any():
            beside = (*self._before,)
            near = self._makers.combined(self._parts, total, beside, fresh=self._fresh)
        self._before.append(near or total)
        if near is None:
            self._fresh.append(total)
        return near, beside if near else ()


def _families(parts: Sequence[tuple[bytes, ...]]) -> list[tuple[tuple[bytes, ...], list[int]]]:
    """List the sets of two and more rows that agree in some of their key parts, and in which."""
    width = len(parts[0]) if parts else 0
    sizes = range(width) if width <= MOST_PARTS else range(1)
    found: dict[tuple[tuple[int, ...], tuple[bytes, ...]], list[int]] = defaultdict(list)
    for chosen in (kept for size in sizes for kept in combinations(range(width), size)):
        for place, digests in enumerate(parts):
            found[chosen, tuple(digests[index] for index in chosen)].append(place)
    return [(agreed, family) for (_, agreed), family in found.items() if len(family) > 1]


def sum_of(numbers: Sequence[PastNumber]) -> PastNumber:
    """Add up numbers, and with them their sketches."""
    scale = max(number.scale for number in numbers)
    spaces = set.intersection(*(set(number.sketches) for number in numbers))
    return PastNumber(
        total=sum(number.total * 10 ** (scale - number.scale) for number in numbers),
        scale=scale,
        sketches={
            space: added(number.sketches[space] for number in numbers) for space in sorted(spaces)
        },
    )


def _moved(number: PastNumber, *, by: tuple[PastNumber, PastNumber]) -> PastNumber:
    """Add what a known total has more than the sum of the rows."""
    known, total = by
    scale = max(number.scale, known.scale, total.scale)
    moved = [item.total * 10 ** (scale - item.scale) for item in (number, known, total)]
    sketches = {
        space: subtracted(added((sketch, known.sketches[space])), total.sketches[space])
        if space in known.sketches and space in total.sketches
        else sketch
        for space, sketch in number.sketches.items()
    }
    return replace(number, total=moved[0] + moved[1] - moved[2], scale=scale, sketches=sketches)
