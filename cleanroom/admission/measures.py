# SPDX-License-Identifier: Apache-2.0
"""Measures as exact numbers: every sum is a sum of integers on a declared grid.

A float sum depends on the order of rows, so two runs would release two values
and a fingerprint of a contribution would mean nothing. Bounds are declared, so
a grid can be chosen from them alone, before any data is seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from cleanroom.admission.refusal import Place, refuse
from cleanroom.admission.tree import SourceColumn

DOUBLE_DIGITS = 15  # decimal digits that every double of that size holds exactly enough
NARROW = 18  # digits of a DECIMAL that the engine keeps in 64 bits
WIDE = 38
MAX_GRID = 10**24  # one value; 10**14 of them still fit a sum of 38 digits


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


def grid_of(column: SourceColumn) -> MeasureGrid:
    """Choose the grid of a measure from its type and bounds."""
    lower, upper = bounds_of(column)
    scale = _scale(column, max(abs(lower), abs(upper)))
    shifted = max(abs(lower), abs(upper)) * 10**scale
    return MeasureGrid(
        precision=NARROW if shifted < 10 ** (NARROW - 1) else WIDE,
        scale=scale,
        lower=_on_grid(math.ceil(lower * 10**scale), scale),
        upper=_on_grid(math.floor(upper * 10**scale), scale),
    )


def require_exact(column: SourceColumn, *, place: Place) -> None:
    """Refuse a measure whose sums could leave the exact range.

    Raises:
        QueryRefusedError: The bounds are too wide, or too narrow to hold one value.
    """
    grid = grid_of(column)
    largest = max(abs(grid.lower), abs(grid.upper))
    if Fraction(largest) * 10**grid.scale > MAX_GRID or grid.lower > grid.upper:
        refuse(
            "measure-range",
            f"the bounds of {column.reference} leave no exact sums",
            fix="sum another measure",
            place=place,
            column=column.reference,
            grant=f"other bounds for {column.column.name} in the policy of {column.lineage}",
        )


def bounds_of(column: SourceColumn) -> tuple[Fraction, Fraction]:
    """Return the bounds of a measure; a policy that parsed has both."""
    lower, upper = column.column.lower, column.column.upper
    return lower or Fraction(0), upper or Fraction(0)


def _scale(column: SourceColumn, largest: Fraction) -> int:
    if column.type.decimal:
        return column.type.decimal[1]
    if column.type == "integer":
        return 0
    whole_digits = len(str(math.ceil(largest)))
    return max(0, DOUBLE_DIGITS - whole_digits)


def _on_grid(value: int, scale: int) -> Decimal:
    with localcontext() as context:
        context.prec = 80
        return Decimal(value).scaleb(-scale)
