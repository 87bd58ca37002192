# SPDX-License-Identifier: Apache-2.0
"""The difference rule: no two released rows may differ in a few units only.

Two numbers whose per-unit contributions are equal but for a few units can be
subtracted, and the rest is about those few. It does not matter what the numbers are called or
in which query they were asked for, so every vector is compared with every other one.

If fewer than k units differ, their fingerprints differ in at most 2k - 2 places
(one on each side for each unit). What is found to differ in that many is withheld: this can
hit a row that differs in between k and 2k - 2 units, and never misses one below k.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from cleanroom.disclosure.past import FINGERPRINT_BYTES, PastCell, Vector


def too_close(one: Vector, other: Vector, *, units: int) -> bool:
    """Tell whether two vectors differ in at least one unit and possibly in fewer than ``units``."""
    # Who is in a group is compared with who is in another; a number with any number.
    if one.members != other.members or one.fingerprints == other.fingerprints:
        return False
    # A unit that is a member of one side only is one fingerprint; a contribution that
    # changed is two.
    most = units - 1 if one.members else 2 * (units - 1)
    return _differ_at_most(one.fingerprints, other.fingerprints, most=most)


def conflicts(
    cells: Sequence[PastCell], history: Sequence[PastCell], *, units: int
) -> frozenset[int]:
    """Find the new cells that are too close to a past one, to each other, or to nothing.

    Both of two new cells are withheld: either one alone would tell which of them it was.
    """
    index = _Index(units)
    for position, cell in enumerate((*cells, *history)):
        index.add(position, cell)
    found: set[int] = set()
    for position, cell in enumerate(cells):
        if any(_differs_little_from_nothing(vector, units=units) for vector in cell.vectors):
            found.add(position)
        for vector in cell.vectors:
            # One cell against itself is the splits rule's business.
            found |= {
                place
                for other_position, other in index.near(vector)
                if other_position != position and too_close(vector, other, units=units)
                for place in (position, other_position)
            }
    return frozenset(position for position in found if position < len(cells))


def _differs_little_from_nothing(vector: Vector, *, units: int) -> bool:
    return len(vector.fingerprints) < units * FINGERPRINT_BYTES


class _Index:
    """Finds vectors that could be close without comparing all pairs.

    Take a new vector of at least k fingerprints and one in which fewer than k units differ.
    Of the new one's 2k smallest fingerprints, at most k - 1 are not in the other, and
    those that are lie among its 4k smallest.
    """

    def __init__(self, units: int) -> None:
        self._units = units
        self._vectors: list[tuple[int, Vector]] = []
        self._found: dict[tuple[str, bool, bytes], list[int]] = defaultdict(list)

    def add(self, position: int, cell: PastCell) -> None:
        for vector in cell.vectors:
            for fingerprint in _smallest(vector, 4 * self._units):
                self._found[vector.namespace, vector.members, fingerprint].append(
                    len(self._vectors)
                )
            self._vectors.append((position, vector))

    def near(self, vector: Vector) -> Iterator[tuple[int, Vector]]:
        common: Counter[int] = Counter()
        looked_up = 0
        for fingerprint in _smallest(vector, 2 * self._units):
            looked_up += 1
            common.update(self._found.get((vector.namespace, vector.members, fingerprint), ()))
        for number, count in common.items():
            if count > looked_up - self._units:
                yield self._vectors[number]


def _smallest(vector: Vector, count: int) -> Iterator[bytes]:
    data = vector.fingerprints[: count * FINGERPRINT_BYTES]
    for start in range(0, len(data), FINGERPRINT_BYTES):
        yield data[start : start + FINGERPRINT_BYTES]


def _differ_at_most(one: bytes, other: bytes, *, most: int) -> bool:
    """Walk two sorted lists together and stop as soon as they differ too much."""
    size = FINGERPRINT_BYTES
    left = right = differences = 0
    while left < len(one) and right < len(other):
        here, there = one[left : left + size], other[right : right + size]
        left += size * (here <= there)
        right += size * (there <= here)
        differences += here != there
        if differences > most:
            return False
    differences += (len(one) - left + len(other) - right) // size
    return differences <= most
