# SPDX-License-Identifier: Apache-2.0
"""Numbers that are sums and differences of other numbers, but for a few units.

``count(*)``, ``count(*) FILTER (WHERE a)`` and ``count(*) FILTER (WHERE NOT a AND b)`` are three
numbers about many people each, and the first less the others may be one person. Sketches
are linear, so whatever adds up person by person adds up bucket by bucket: the factors are
the solution of linear equations, one for each bucket, of which all but a few hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cleanroom.disclosure.sketch import MODULUS
from cleanroom.kernel.record import dataclass

_Numbers: TypeAlias = npt.NDArray[np.int64]
_WORD = ">u4"
_BITS = 31  # of the prime


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """How one sketch is made of others.

    Attributes:
        factors: What each of the others is multiplied by, modulo the prime.
        differing: In how many buckets it is not.
    """

    factors: tuple[int, ...]
    differing: int


def combination_of(one: bytes, others: Sequence[bytes], *, units: int) -> Combination | None:
    """Say by which factors others add up to a sketch, but for a few buckets.

    Fewer than ``units`` buckets may differ, and more must agree, beside those that decided about
    the factors, than differ. All sketches have one size.

    Returns:
        The combination; None if there is none.
    """
    found = None
    for rows in _some(_rows([*others, one]), units=units):
        found = _combination(rows, units=units)
        if found is None:
            break
    return found


def is_hiding(sketches: Sequence[bytes], *, units: int) -> bool:
    """Tell whether one of several sketches is what those before it add up to, but for a few units.

    What they add up to exactly says nothing that they do not.
    """
    found = False
    for rows in _some(_rows(sketches), units=units):
        counts = list(_few(rows, units=units))
        found = any(counts)
        if not counts:
            break
    return found


def _rows(sketches: Sequence[bytes]) -> _Numbers:
    """Write one row for each bucket in which there is something."""
    rows = np.array([np.frombuffer(item, dtype=_WORD) for item in sketches], np.int64).T
    return rows[rows.any(axis=1)]


def _some(rows: _Numbers, *, units: int) -> Iterator[_Numbers]:
    """Give as many rows as suffice to tell nearly always that there is nothing, and then all.

    Of fewer buckets no more differ. Of so many each turn has some of its own to decide.
    """
    enough = rows.shape[1] * max(units, 2) + 2 * units
    if len(rows) > enough:
        yield rows[:enough]
    if len(rows):
        yield rows


def _combination(rows: _Numbers, *, units: int) -> Combination | None:
    equations = _Equations(rows, units=units)
    last = rows.shape[1] - 1
    for place in range(last):
        equations.decide(place)
    for turn, count in enumerate(equations.differing(last)):
        if equations.is_few(turn, count):
            return Combination(factors=equations.factors(turn), differing=count)
    return None


def _few(rows: _Numbers, *, units: int) -> Iterator[int]:
    """Give in how many buckets a sketch is not what those before it add up to, where few."""
    equations = _Equations(rows, units=units)
    for place in range(rows.shape[1]):
        for turn, count in enumerate(equations.differing(place)):
            if equations.is_few(turn, count):
                yield count
        equations.decide(place)


def _remainders(numbers: _Numbers) -> _Numbers:
    """Divide by the prime, which is one less than a power of two: shifts are five times faster."""
    for _ in range(2):
        numbers = (numbers & MODULUS) + (numbers >> _BITS)
    return np.where(numbers >= MODULUS, numbers - MODULUS, numbers)


class _Equations:
    """One equation a bucket; Gauss and Jordan eliminate one sketch after the other.

    A bucket that differs must not decide about a factor. Fewer than ``units`` differ, so of as many
    places to begin at, one at least has none of them near it: there are as many copies, each
    turned to begin elsewhere.
    """

    def __init__(self, rows: _Numbers, *, units: int) -> None:
        """Begin with one row for each bucket, and one column for each sketch."""
        starts = [len(rows) * turn // units for turn in range(units)]
        self._units = units
        self._tables: _Numbers = np.array([np.roll(rows, -start, axis=0) for start in starts])
        self._free = np.ones(self._tables.shape[:2], dtype=np.bool_)
        self._turns = np.arange(units)
        self._decided: list[_Numbers] = []

    def differing(self, place: int) -> list[int]:
        """Count, for each turn, the buckets in which what was decided on does not make a sketch."""
        counts: list[int] = self._left(place).sum(axis=1).tolist()
        return counts

    def decide(self, place: int) -> None:
        """Let the first bucket that is left of a sketch, if one is, decide about its factor."""
        left = self._left(place)
        first = left.argmax(axis=1)
        found = left[self._turns, first]
        self._decided.append(np.where(found, first, -1))
        chosen = self._tables[self._turns, first]
        inverses = [
            pow(content, -1, MODULUS) if content else 0 for content in chosen[:, place].tolist()
        ]
        scaled = _remainders(chosen * np.array(inverses, np.int64)[:, None])
        others = np.where(found[:, None], self._tables[:, :, place], 0)
        others[self._turns, first] = 0
        gone = _remainders(others[:, :, None] * scaled[:, None, :])
        self._tables = _remainders(self._tables + (MODULUS - gone))
        self._tables[self._turns[found], first[found]] = scaled[found]
        self._free[self._turns[found], first[found]] = False

    def _left(self, place: int) -> npt.NDArray[np.bool_]:
        left: npt.NDArray[np.bool_] = (self._tables[:, :, place] != 0) & self._free
        return left

    def is_few(self, turn: int, count: int) -> bool:
        """Tell whether few buckets differ, and more agree."""
        return count < self._units and int(self._free[turn].sum()) - count > count

    def factors(self, turn: int) -> tuple[int, ...]:
        """Read the factors of all sketches but the last one; what nobody needs is 0."""
        places = (int(decided[turn]) for decided in self._decided)
        return tuple(int(self._tables[turn, place, -1]) if place >= 0 else 0 for place in places)
