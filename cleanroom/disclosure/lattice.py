# SPDX-License-Identifier: Apache-2.0
"""What the numbers of rows that people have under several conditions tell of a few of them.

``sum(CASE kind WHEN 'a' THEN 2 * x WHEN 'b' THEN 1 WHEN 'c' THEN -1 END)`` is odd if one person
has another number of ``b`` than of ``c``, where everybody else's come in pairs. Whatever the
factors are and wherever the digits are read, such a sum is a combination of the counts that each
person has, perhaps modulo something, and it tells of a few if it is the same for all others.

Two people tell apart what their counts differ in. Take people one after another until all that
anybody differs in is made of their differences, put them aside, and begin again: if that can be
done as often as the threshold says, then whoever looks for a combination that fewer people have
to themselves leaves one of these sets whole, and what is the same in it is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from cleanroom.kernel.record import dataclass

Vector: TypeAlias = tuple[int, ...]
Size: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How many people have which counts.

    Attributes:
        people: How many have each vector, the commonest first.
        complete: Whether these are all people.
    """

    people: Sequence[tuple[int, Vector]]
    complete: bool


class Lattice:
    """All whole combinations of some vectors, as rows in echelon form."""

    def __init__(self) -> None:
        """Begin with nothing but zero."""
        self._rows: dict[int, list[int]] = {}

    def add(self, vector: Vector) -> bool:
        """Add a vector; return whether there are more combinations now."""
        rest, more = list(vector), False
        for place in range(len(rest)):
            if not rest[place]:
                continue
            row = self._rows.get(place)
            if row is None:
                self._rows[place] = rest
                return True
            if rest[place] % row[place]:
                more = True
                self._rows[place], rest = _reduced(row, rest, place)
            else:
                rest = _less(rest, row, rest[place] // row[place])
        return more

    @property
    def size(self) -> Size:
        """What two lattices of which one is part of the other share exactly if they are equal."""
        return tuple(sorted((place, abs(row[place])) for place, row in self._rows.items()))


def _reduced(one: list[int], other: list[int], place: int) -> tuple[list[int], list[int]]:
    """Replace two rows by two others of the same combinations, of which one has a zero there."""
    while other[place]:
        one, other = other, _less(one, other, one[place] // other[place])
    return one, other


def _less(one: list[int], other: list[int], times: int) -> list[int]:
    return [left - times * right for left, right in zip(one, other, strict=True)]


class _Alike:
    """People of one vector, of whom some were put aside."""

    def __init__(self, left: int, vector: Vector) -> None:
        self.left = left
        self.vector = vector


def disjoint_sets(ways: Ways, *, enough: int) -> int:
    """Count disjoint sets of people that each differ in all that anybody differs in.

    Args:
        ways: How many people have which counts. Of people who are not among them nobody knows what
            they differ in, so the others must differ in everything.
        enough: When to stop counting.

    Returns:
        As many as are found, ``enough`` at most: also if all people have the same vector.
    """
    vectors = [vector for _, vector in ways.people]
    whole = _spanned(vectors) if ways.complete else tuple((i, 1) for i in range(len(vectors[0])))
    if not whole:
        return enough
    left = [_Alike(number, vector) for number, vector in ways.people]
    found = 0
    while found < enough:
        used = _spanning(left, whole)
        if not used:
            break
        # The same people again, as long as there are any with each of their vectors.
        times = min(enough - found, *(alike.left for alike in used))
        for alike in used:
            alike.left -= times
        left = [alike for alike in left if alike.left]
        found += times
    return found


def _spanned(vectors: Sequence[Vector]) -> Size:
    lattice = Lattice()
    for difference in _differences(vectors):
        lattice.add(difference)
    return lattice.size


def _differences(vectors: Sequence[Vector]) -> Iterator[Vector]:
    for vector in vectors[1:]:
        yield tuple(one - other for one, other in zip(vector, vectors[0], strict=True))


def _spanning(left: Sequence[_Alike], whole: Size) -> Sequence[_Alike]:
    """Choose people whose differences are all there are; nobody if those who are left lack some."""
    lattice, used = Lattice(), [*left[:1]]
    for alike, difference in zip(left[1:], _differences([a.vector for a in left]), strict=True):
        if lattice.add(difference):
            used.append(alike)
            if lattice.size == whole:
                return used
    return []
