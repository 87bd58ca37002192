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
_SIGN = 63  # its bit, which a shift fills a negative number with
_SHUFFLING = 48_271  # a primitive root of the prime, whose multiples are in no order
_MANY_TURNS = 32


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

    Fewer than ``units`` buckets may differ, and of those in which something is, more must agree,
    beside those that decided about the factors, than differ. All sketches have one size.

    Returns:
        The combination; None if there is none.
    """
    found = None
    for rows in _some(_rows([*others, one]), units=units):
        found = _combination(rows, units=units)
        if found is None:
            break
    return found


class Basis:
    """Sketches of which others may be made, eliminated once for all that are looked at."""

    def __init__(self, sketches: Sequence[bytes], *, units: int, most: int) -> None:
        """Eliminate sketches of one size; there is at least one, and may be ``most`` in the end."""
        self._columns = _columns(sketches)
        self._units = units
        orders = _orders(len(self._columns), columns=most, units=units)
        self._equations = _Equations(self._columns, units=units, orders=orders)
        for place in range(len(sketches)):
            self._equations.decide(place)

    def add(self, sketch: bytes) -> None:
        """Eliminate one more."""
        column = _columns([sketch])
        self._columns = np.hstack([self._columns, column])
        self._equations = self._equations.extended(column)
        self._equations.decide(0)

    def combination_of(self, one: bytes, more: Sequence[bytes]) -> Combination | None:
        """Say by which factors these sketches, and then others, add up to a sketch."""
        added = _columns([*more, one])
        equations = self._equations.extended(added)
        for place in range(len(more)):
            equations.decide(place)
        rows = np.hstack([self._columns, added])
        return _found(equations, len(more), rows, units=self._units)


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


def is_any_made(sketches: Sequence[bytes], *, known: int, units: int) -> bool:
    """Tell whether one of several sketches may be what those before it add up to, but for a few.

    The first so many are known; nothing is asked of them. One elimination for all of them.
    """
    if known == len(sketches):
        return False
    rows = _rows(sketches)
    orders = _orders(len(rows), columns=len(sketches) - 1, units=units)
    equations = _Equations(rows, units=units, orders=orders)
    for place in range(len(sketches)):
        counts = enumerate(equations.differing(0)) if place >= known else ()
        if any(equations.is_few(turn, count) for turn, count in counts):
            return True
        equations.decide_and_forget()
    return False


def _columns(sketches: Sequence[bytes]) -> _Numbers:
    """Write one column for each sketch, and one row for each bucket."""
    return np.array([np.frombuffer(item, dtype=_WORD) for item in sketches], np.int64).T


def _rows(sketches: Sequence[bytes]) -> _Numbers:
    """Write one row for each bucket in which there is something."""
    rows = _columns(sketches)
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
    last = rows.shape[1] - 1
    equations = _Equations(rows, units=units, orders=_orders(len(rows), columns=last, units=units))
    for place in range(last):
        equations.decide(place)
    return _found(equations, last, rows, units=units)


def _found(equations: _Equations, place: int, rows: _Numbers, *, units: int) -> Combination | None:
    """Return the combination that a turn came to, if all buckets bear it out."""
    for turn, count in enumerate(equations.differing(place)):
        if equations.is_few(turn, count):
            factors = equations.factors(turn)
            if _holds(rows, factors, units=units):
                return Combination(factors=factors, differing=count)
    return None


def _holds(rows: _Numbers, factors: Sequence[int], *, units: int) -> bool:
    """Tell whether the factors make the last column but for few rows, and of more than hold.

    Rows in which nothing is that has a factor say nothing: where all is about the same dozen
    units, everything is a combination of something.
    """
    used = [place for place, factor in enumerate(factors) if factor]
    told = rows[rows[:, [*used, -1]].any(axis=1)]
    left = told[:, -1].copy()
    for place in used:
        left = _remainders(left + MODULUS - _remainders(told[:, place] * factors[place]))
    differing = int((left != 0).sum())
    agreeing = len(told) - differing - len(used)
    return bool(used) and differing < units and agreeing > differing


def _few(rows: _Numbers, *, units: int) -> Iterator[int]:
    """Give in how many buckets a sketch is not what those before it add up to, where few."""
    orders = _orders(len(rows), columns=rows.shape[1] - 1, units=units)
    equations = _Equations(rows, units=units, orders=orders)
    for _ in range(rows.shape[1]):
        for turn, count in enumerate(equations.differing(0)):
            if equations.is_few(turn, count):
                yield count
        equations.decide_and_forget()


def _orders(rows: int, *, columns: int, units: int) -> _Numbers:
    """Choose the orders in which buckets decide: one row each."""
    places = np.arange(rows)
    if columns * units <= rows:
        starts = [rows * turn // units for turn in range(units)]
        return np.array([np.roll(places, -start) for start in starts])
    powers = (pow(_SHUFFLING, turn + 1, MODULUS) for turn in range(max(units, _MANY_TURNS)))
    return np.array([_remainders((places + 1) * power).argsort() for power in powers])


def _remainders(products: _Numbers) -> _Numbers:
    """Divide by the prime, in place; it is one less than a power of two, so shifts suffice.

    Without copies, which cost more than the arithmetic does.
    """
    _fold(products)
    products -= MODULUS
    return _lifted(products)


def _fold(products: _Numbers) -> None:
    """Bring products of two remainders down to at most the prime itself, in place."""
    for _ in range(2):
        high = products >> _BITS
        products &= MODULUS
        products += high


def _lifted(numbers: _Numbers) -> _Numbers:
    """Add the prime to what is below nothing, in place; none is by more than the prime."""
    below = numbers >> _SIGN
    below &= MODULUS
    numbers += below
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """How one sketch was eliminated, in each turn.

    Attributes:
        first: The bucket that decided.
        found: Whether there was one.
        inverses: What its content is divided by.
        others: How much of it every other bucket had.
    """

    first: _Numbers
    found: npt.NDArray[np.bool_]
    inverses: _Numbers
    others: _Numbers


class _Equations:
    """One equation a bucket; Gauss and Jordan eliminate one sketch after the other.

    A bucket that differs must not decide about a factor. Fewer than ``units`` differ, so of as many
    places to begin at, one at least has none of them near it: there are as many copies, each
    turned to begin elsewhere. Where so many sketches take part that the copies' beginnings overlap,
    there are more copies in unlike orders: which buckets differ hangs on a secret salt.
    """

    def __init__(
        self, rows: _Numbers, *, units: int, orders: _Numbers, steps: Sequence[_Step] = ()
    ) -> None:
        """Begin with one row for each bucket, and one column for each sketch.

        Args:
            rows: The rows.
            units: Fewer buckets may differ.
            orders: In which orders buckets decide: one row each.
            steps: Those of other sketches that were eliminated before these, in these orders.
        """
        self._units = units
        self._orders = orders
        self._turns = np.arange(len(self._orders))
        # One table a sketch, of one row a turn: what is computed lies side by side.
        self._tables: _Numbers = np.ascontiguousarray(rows.T[:, self._orders])
        self._free = np.ones(self._orders.shape, dtype=np.bool_)
        self._steps: list[_Step] = []
        for step in steps:
            self._take(step)

    def extended(self, rows: _Numbers) -> _Equations:
        """Begin with other sketches where these have been eliminated."""
        return _Equations(rows, units=self._units, orders=self._orders, steps=self._steps)

    def differing(self, place: int) -> list[int]:
        """Count, for each turn, the buckets in which what was decided on does not make a sketch."""
        counts: list[int] = self._left(place).sum(axis=1).tolist()
        return counts

    def decide_and_forget(self) -> None:
        """Eliminate the first sketch that is left, where nobody will ask for its factor."""
        self.decide(0)
        self._tables = self._tables[1:]

    def decide(self, place: int) -> None:
        """Let the first bucket that is left of a sketch, if one is, decide about its factor."""
        left = self._left(place)
        first = left.argmax(axis=1)
        found = left[self._turns, first]
        chosen = self._tables[place, self._turns, first]
        inverses = [pow(content, -1, MODULUS) if content else 0 for content in chosen.tolist()]
        others = np.where(found[:, None], self._tables[place], 0)
        others[self._turns, first] = 0
        self._take(
            _Step(
                first=first,
                found=found,
                inverses=np.array(inverses, np.int64),
                others=others,
            )
        )

    def _take(self, step: _Step) -> None:
        scaled = _remainders(self._tables[:, self._turns, step.first] * step.inverses)
        gone = scaled[:, :, None] * step.others
        _fold(gone)
        self._tables -= gone
        _lifted(self._tables)
        turns, first = self._turns[step.found], step.first[step.found]
        self._tables[:, turns, first] = scaled[:, step.found]
        self._free[turns, first] = False
        self._steps.append(step)

    def _left(self, place: int) -> npt.NDArray[np.bool_]:
        left: npt.NDArray[np.bool_] = (self._tables[place] != 0) & self._free
        return left

    def is_few(self, turn: int, count: int) -> bool:
        """Tell whether few buckets differ, and more agree."""
        return count < self._units and int(self._free[turn].sum()) - count > count

    def factors(self, turn: int) -> tuple[int, ...]:
        """Read the factors of all sketches but the last one; what nobody needs is 0."""
        places = (int(step.first[turn]) if step.found[turn] else -1 for step in self._steps)
        return tuple(int(self._tables[-1, turn, place]) if place >= 0 else 0 for place in places)
