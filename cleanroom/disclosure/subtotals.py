# SPDX-License-Identifier: Apache-2.0
"""Sub-totals beside their parts: what of each grouping set is shown, and what is not.

Two grouping sets of one release cut the same rows in two ways. Where one cut is shown whole
and the other is not, the difference is what was withheld: a secondary suppression must
take something else away as well (Handbook on Statistical Disclosure Control, 5.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cleanroom.disclosure.earlier import Earlier
from cleanroom.disclosure.groups import Group, Key
from cleanroom.disclosure.margins import Line, sum_of

_Total: TypeAlias = tuple[int, tuple[int, ...], Key]


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What one grouping set shows and hides of one total."""

    lines: list[Line] = field(default_factory=list)
    hidden: bool = False

    @property
    def whole(self) -> bool:
        return not self.hidden


class Subtotals:
    """The grouping sets of one release, answered one after the other."""

    def __init__(
        self, groups: Sequence[Group], sets: Sequence[tuple[int, ...]], *, earlier: Earlier
    ) -> None:
        """Begin before the first set is answered."""
        self._groups = groups
        self._sets = sets
        self._earlier = earlier
        self._parts: dict[_Total, _Parts] = defaultdict(_Parts)
        self._answered: list[int] = []

    def answered(self, number: int, lines: Iterable[Line]) -> None:
        """Note which rows of a grouping set leave; all its others do not."""
        shown = {line.place: line for line in lines}
        mine = [place for place, group in enumerate(self._groups) if group.number == number]
        for other in range(len(self._sets)):
            common = self._common(number, other)
            for place in mine:
                parts = self._parts[number, common, self._key(place, common)]
                if place in shown:
                    parts.lines.append(shown[place])
                else:
                    parts.hidden = True
        self._answered.append(number)

    def is_torn(self, group: Group) -> bool:
        """Tell whether parts of this total are shown and others withheld.

        The difference would be about the withheld ones alone, who broke some rule.
        """
        return any(parts.hidden and parts.lines for parts in self._finer(group))

    def implied(self, line: Line) -> list[bool]:
        """Tell of each number whether it is just what the rows that make it up add to."""
        found = [False] * len(line.numbers)
        for parts in self._finer(self._groups[line.place]):
            for column, number in enumerate(line.numbers):
                values = [part.numbers[column].value for part in parts.lines]
                found[column] |= bool(values) and sum(values) == number.value
        return found

    def unbalanced(self, number: int, lines: Sequence[Line]) -> frozenset[int]:
        """Return the rows beside which another set's withheld rows, or their own, could be told.

        Where both cuts of the same people are shown whole, or neither, nothing is left over;
        where what is left over is fewer than d units, the sums say that it is nothing.
        """
        shown = {line.place for line in lines}
        mine = [place for place, group in enumerate(self._groups) if group.number == number]
        taken: set[int] = set()
        for other in self._answered:
            common = self._common(number, other)
            if common in {self._sets[number], self._sets[other]}:
                continue
            families: dict[Key, list[int]] = defaultdict(list)
            for place in mine:
                families[self._key(place, common)].append(place)
            for key, places in families.items():
                parts = self._parts[other, common, key]
                family = [line for line in lines if line.place in set(places) - taken]
                whole = set(places) <= shown - taken
                if whole != parts.whole and not self._same(family, parts.lines):
                    taken.update(places)
        # What was published once stays: its absence would be an answer.
        return frozenset(taken & {line.place for line in lines if not line.published})

    def _same(self, one: Sequence[Line], other: Sequence[Line]) -> bool:
        """Tell whether two sums of rows are known to be of the same people, but for a few.

        Where one of them shows nothing, nothing can be subtracted from the other.
        """
        if not one or not other:
            return True
        return all(
            self._earlier.is_close(
                sum_of([line.numbers[column] for line in one]).sketches,
                sum_of([line.numbers[column] for line in other]),
            )
            for column in range(len(one[0].numbers))
        )

    def _finer(self, group: Group) -> Iterator[_Parts]:
        mine = self._sets[group.number]
        for other in self._answered:
            if set(self._sets[other]) > set(mine):
                yield self._parts[other, mine, group.key]

    def _common(self, one: int, other: int) -> tuple[int, ...]:
        return tuple(index for index in self._sets[one] if index in self._sets[other])

    def _key(self, place: int, kept: Sequence[int]) -> Key:
        key = self._groups[place].key
        return tuple(value if index in kept else None for index, value in enumerate(key))
