# SPDX-License-Identifier: Apache-2.0
"""Measures as exact numbers: every sum is a sum of integers on a declared grid.

A float sum depends on the order of rows, so two runs would release two values
and a fingerprint of a contribution would mean nothing. The grid is chosen from types
and declared bounds alone, before any data is seen.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.typed.ranges import Range
from cleanroom.kernel.record import dataclass

DOUBLE_DIGITS = 15  # decimal digits that every double of that size holds exactly enough
NARROW = 18  # digits of a DECIMAL that the engine keeps in 64 bits
WIDE = 38
GRID_DIGITS = 24  # one value; 10**14 of them still fit a sum of 38 digits
SQUARED_DIGITS = 12  # a value whose squares are summed as well
ASSUMED_DIGITS = 8  # before the point, of a squared number that nobody declared bounds for


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureGrid:
    """How one measure is represented.

    Attributes:
        precision: Digits of the DECIMAL.
        scale: Digits after the point.
        lower: Least value on the grid that is not below the bound.
        upper: Greatest value on the grid that is not above the bound.
    """

    precision: int
    scale: int
    lower: Decimal
    upper: Decimal


NO_GRID = MeasureGrid(precision=1, scale=0, lower=Decimal(0), upper=Decimal(0))


def grid_of(found: Range, *, squared: bool, place: Place, named: str) -> MeasureGrid:
    """Choose the grid of a number.

    Args:
        found: Its bounds and natural grid.
        squared: Whether its squares or products are summed, which takes twice the digits.
        place: Where it stands in the query.
        named: What a refusal calls it.

    Raises:
        QueryRefusedError: Its declared bounds are so wide that sums could leave the exact
            range, or so narrow that they hold no value.
    """
    digits = SQUARED_DIGITS if squared else GRID_DIGITS
    lower, upper = _bounds(found, digits=digits, squared=squared)
    largest = max(abs(lower), abs(upper))
    whole = len(str(math.ceil(largest)))
    # What nobody declared may be as small as a price or as large as a turnover.
    free = max(0, (DOUBLE_DIGITS if found.declared else digits) - whole)
    natural = free if found.scale is None else found.scale
    # A declared grid is kept, or the bounds are refused; an inferred one gives way.
    scale = natural if found.exact and not squared else max(0, min(natural, digits - whole))
    grid = MeasureGrid(
        precision=NARROW if largest * 10**scale < 10 ** (NARROW - 1) else WIDE,
        scale=scale,
        lower=_on_grid(math.ceil(lower * 10**scale), scale),
        upper=_on_grid(math.floor(upper * 10**scale), scale),
    )
    # The square of a number of one digit more would leave the exact range.
    if largest * 10**scale > 10**digits - squared or grid.lower > grid.upper:
        refuse(
            "measure-range",
            f"the bounds of {named} leave no exact sums{' of squares' if squared else ''}",
            fix="use sum or avg of it" if squared else "aggregate another measure",
            place=place,
            column=named,
            grant=f"other bounds for {named} in its owner's policy",
        )
    return grid


def _bounds(found: Range, *, digits: int, squared: bool) -> tuple[Fraction, Fraction]:
    if found.declared:
        return found.lower, found.upper
    # Nobody declared bounds, so what is far out of any useful range is clamped.
    scale = found.scale or 0
    most = Fraction(
        10 ** (ASSUMED_DIGITS if squared and scale else digits - min(scale, digits - 1))
    )
    if found.scale is None:
        most = Fraction(10 ** (ASSUMED_DIGITS if squared else DOUBLE_DIGITS))
    most -= squared
    return max(found.lower, -most), min(found.upper, most)


def _on_grid(value: int, scale: int) -> Decimal:
    with localcontext() as context:
        context.prec = 80
        return Decimal(value).scaleb(-scale)
