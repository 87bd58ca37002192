# SPDX-License-Identifier: Apache-2.0
"""Numbers that are sums and differences of other numbers, but for a few units.

``count(*)``, ``count(*) FILTER (WHERE a)`` and ``count(*) FILTER (WHERE NOT a AND b)`` are three
numbers about many people each, and the first less the others may be one person. Sketches
are linear, so whatever adds up person by person adds up bucket by bucket: the factors are
the solution of linear equations, one for each bucket, of which all but a few hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
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
_HALF = 16  # bits: the product of a number and half of another one is added up 64 times in 63 bits
_CACHED_ORDERS = 4
KEPT_BYTES = 2**26


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
    """Sketches of which others may be made, eliminated once for all that are looked at.

    What the elimination does to another sketch hangs on its buckets that decided, and is added up
    at once instead of one eliminated sketch after the other.
    """

    def __init__(
        self, sketches: Sequence[bytes], *, units: int, most: int, kept: int = KEPT_BYTES
    ) -> None:
        """Eliminate sketches of one size; there is at least one, and may be ``most`` in the end.

        Of others that come it is kept, in so many bytes, what is left of them.
        """
        self._kept = kept
        self._columns = _columns(sketches)
        self._units = units
        self._orders = orders_of(len(self._columns), columns=most, units=units)
        self._equations = _equations(self._columns, self._orders, units=units)
        for place in range(len(sketches)):
            self._equations.decide(place)
        self._eliminated: dict[bytes, _Numbers] = {}

    def add(self, sketch: bytes) -> None:
        """Eliminate one more."""
        self._equations = self._equations.joined(self._eliminate(sketch))
        self._equations.decide(self._columns.shape[1])
        self._columns = np.hstack([self._columns, _columns([sketch])])
        self._eliminated.clear()

    def combination_of(self, one: bytes, more: Sequence[bytes]) -> Combination | None:
        """Say by which factors these sketches, and then others, add up to a sketch."""
        left = np.stack([self._eliminate(sketch) for sketch in (*more, one)])
        equations = self._equations.continued(left)
        for place in range(len(more)):
            equations.decide(place)
        rows = np.hstack([self._columns, _columns([*more, one])])
        return _found(equations, len(more), rows, units=self._units)

    def _eliminate(self, sketch: bytes) -> _Numbers:
        """Take from a sketch what these make of it, in each turn; numbers of a row come often."""
        found = self._eliminated.get(sketch)
        if found is None:
            found = self._equations.eliminated(_columns([sketch])[:, 0][self._orders])
            if (len(self._eliminated) + 1) * found.nbytes > self._kept:
                self._eliminated.clear()
            self._eliminated[sketch] = found
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


def is_any_made(sketches: Sequence[bytes], *, known: int, units: int) -> bool:
    """Tell whether one of several sketches may be what those before it add up to, but for a few.

    The first so many are known; nothing is asked of them. One elimination for all of them.
    """
    if known == len(sketches):
        return False
    rows = _rows(sketches)
    orders = orders_of(len(rows), columns=len(sketches) - 1, units=units)
    equations = _equations(rows, orders, units=units)
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
    orders = orders_of(len(rows), columns=last, units=units)
    equations = _equations(rows, orders, units=units)
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
    orders = orders_of(len(rows), columns=rows.shape[1] - 1, units=units)
    equations = _equations(rows, orders, units=units)
    for _ in range(rows.shape[1]):
        for turn, count in enumerate(equations.differing(0)):
            if equations.is_few(turn, count):
                yield count
        equations.decide_and_forget()


@lru_cache(maxsize=_CACHED_ORDERS)
def orders_of(rows: int, *, columns: int, units: int) -> _Numbers:
    """Choose the orders in which buckets decide: one row each."""
    places = np.arange(rows)
    if columns * units <= rows:
        starts = (rows * turn // units for turn in range(units))
        orders = np.array([np.roll(places, -start) for start in starts])
    else:
        powers = (pow(_SHUFFLING, turn + 1, MODULUS) for turn in range(max(units, _MANY_TURNS)))
        orders = np.array([_remainders((places + 1) * power).argsort() for power in powers])
    orders.setflags(write=False)  # the next caller has the same ones
    return orders


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
    """Which bucket decided about one sketch in each turn, and whether one did."""

    first: _Numbers
    found: npt.NDArray[np.bool_]


def _equations(rows: _Numbers, orders: _Numbers, *, units: int) -> _Equations:
    """Begin with one row for each bucket and one column for each sketch, in each order."""
    # One table a sketch, of one row a turn: what is computed lies side by side.
    return _Equations(np.ascontiguousarray(rows.T[:, orders]), units=units)


class _Equations:
    """One equation a bucket; Gauss and Jordan eliminate one sketch after the other.

    A bucket that differs must not decide about a factor. Fewer than ``units`` differ, so of as many
    places to begin at, one at least has none of them near it: there are as many copies, each
    turned to begin elsewhere. Where so many sketches take part that the copies' beginnings overlap,
    there are more copies in unlike orders: which buckets differ hangs on a secret salt.
    """

    def __init__(
        self,
        tables: _Numbers,
        *,
        units: int,
        free: npt.NDArray[np.bool_] | None = None,
        steps: Sequence[_Step] = (),
    ) -> None:
        """Begin with a table for each sketch: one row for each turn, its buckets in that order.

        Args:
            tables: The tables; they are written on.
            units: Fewer buckets may differ.
            free: Which buckets have not decided about anything, in each turn.
            steps: How sketches were eliminated before, in these turns.
        """
        self._units = units
        self._turns = np.arange(tables.shape[1])
        self._tables: _Numbers = tables
        self._free = np.ones(tables.shape[1:], dtype=np.bool_) if free is None else free.copy()
        self._steps = [*steps]

    def joined(self, table: _Numbers) -> _Equations:
        """Add a sketch of which these have been eliminated."""
        tables = np.concatenate([self._tables, table[None]])
        return _Equations(tables, units=self._units, free=self._free, steps=self._steps)

    def continued(self, tables: _Numbers) -> _Equations:
        """Go on with other sketches of which these have been eliminated."""
        return _Equations(tables, units=self._units, free=self._free, steps=self._steps)

    def eliminated(self, table: _Numbers) -> _Numbers:
        """Eliminate every sketch so far from a new one.

        Every bucket loses a multiple of each of those that decided. One that did decide is only
        what these come to.
        """
        first = np.stack([step.first for step in self._steps], axis=1)
        decided = np.take_along_axis(table, first, axis=1)
        low = np.einsum("ktb,tk->tb", self._tables, decided & (2**_HALF - 1))
        high = np.einsum("ktb,tk->tb", self._tables, decided >> _HALF)
        left = _remainders(high) * 2**_HALF
        left += low % MODULUS
        left += np.where(self._free, table, 0)
        return _remainders(left)

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
        turns, buckets = self._turns[found], first[found]
        # Of a sketch that has been eliminated it is kept what its bucket does to all others.
        self._tables[place] = 0
        self._tables[place, turns, buckets] = 1
        scaled = self._tables[:, self._turns, first] * np.array(inverses, np.int64)
        _remainders(scaled)
        gone = scaled[:, :, None] * others
        _fold(gone)
        self._tables -= gone
        _lifted(self._tables)
        self._tables[:, turns, buckets] = scaled[:, found]
        self._free[turns, buckets] = False
        self._steps.append(_Step(first=first, found=found))

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
